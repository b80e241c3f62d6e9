// What the page is showing: the one thing that all its parts look at.

/** `game` is the lobby on the screen, or null on the start screen. */
export const stage = { game: null };
