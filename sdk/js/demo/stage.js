// What the page is showing: the one thing that all its parts look at.

/** `room` is the lobby that this page is in, and `game` what it shows of it; both are null on the start screen. */
export const stage = { room: null, game: null };
