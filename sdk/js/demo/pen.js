// Small helpers for drawing on a canvas.

export const FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif';

export function circle(context, x, y, radius) {
  context.beginPath();
  context.arc(x, y, radius, 0, 2 * Math.PI);
}

const sprites = new Map();
const MAX_SPRITES = 512;

/** A small picture that is painted once and then copied: shadows and gradients cost too much to be painted for each frame. */
export function spriteOf(name, sidePx, paint, heightPx = sidePx) {
  const known = sprites.get(name);
  if (known) return known;
  if (sprites.size >= MAX_SPRITES) sprites.clear();
  const density = Math.min(devicePixelRatio || 1, 2);
  const canvas = document.createElement("canvas");
  canvas.width = Math.ceil(sidePx * density);
  canvas.height = Math.ceil(heightPx * density);
  const context = canvas.getContext("2d");
  context.scale(density, density);
  paint(context, sidePx / 2, heightPx / 2);
  const sprite = { canvas, sidePx, heightPx };
  sprites.set(name, sprite);
  return sprite;
}

/** Breaks text into lines of at most `widthPx`; what does not fit on the last line is left out, with an ellipsis. */
export function wrap(context, text, widthPx, maxLines) {
  const fits = (line) => context.measureText(line).width <= widthPx;
  const lines = [""];
  for (const word of text.split(/\s+/)) {
    const last = lines.at(-1);
    if (last === "" || fits(`${last} ${word}`)) lines[lines.length - 1] = last === "" ? word : `${last} ${word}`;
    else lines.push(word);
  }
  const shown = lines.slice(0, maxLines).map((line) => shorten(line, fits));
  if (lines.length > maxLines) shown[maxLines - 1] = shorten(`${shown[maxLines - 1]} …`, fits);
  return shown;
}

function shorten(line, fits) {
  if (fits(line)) return line;
  const letters = [...line];
  while (letters.length > 1 && !fits(`${letters.join("")}…`)) letters.pop();
  return `${letters.join("")}…`;
}
