// Numbers and points.

export function distance(a, b) {
  return Math.hypot(a.x - b.x, a.y - b.y);
}

export function clamp(value, low, high) {
  return Math.min(Math.max(value, low), high);
}

export function round(value) {
  return Math.round(value * 10) / 10;
}

/** A round step near to the wanted one: 1, 2 or 5 times a power of ten. */
export function niceStep(wanted) {
  const power = 10 ** Math.floor(Math.log10(wanted));
  return power * ([1, 2, 5].find((factor) => factor * power >= wanted) ?? 10);
}

/** A colour for each player, the same on every screen. */
export function hueOf(userId) {
  let hash = 2166136261;
  for (const letter of String(userId)) hash = Math.imul(hash ^ letter.codePointAt(0), 16777619);
  // Ids that differ in their last letter only would have nearly the same colour.
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
  return ((hash ^ (hash >>> 13)) >>> 0) % 360;
}
