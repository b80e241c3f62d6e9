// What the stock scripts send, as this page uses it.

/** A room's state (`scripts/on_snapshot.lua`). */
export function arenaOf(state) {
  const bounds = state?.bounds ?? {};
  return {
    left: bounds.min_x ?? 0,
    top: bounds.min_y ?? 0,
    right: bounds.max_x ?? 1000,
    bottom: bounds.max_y ?? 1000,
    // 0 is no limit, for which a page needs one of its own.
    maxSpeed: state?.max_speed || 300,
    capacity: state?.capacity,
    owner: state?.owner,
    players: Object.values(state?.players ?? {}),
  };
}

export function nameOf(player) {
  return player.username || `Guest ${String(player.user_id).slice(-4)}`;
}

export function pointOf(value) {
  return Number.isFinite(value?.x) && Number.isFinite(value?.y) ? { x: value.x, y: value.y } : null;
}

/** The code in what a player typed or pasted: a whole link, an id, an id with its prefix. */
export function codeOf(text) {
  return text.trim().replace(/^.*#/, "").replace(/^game:/, "");
}
