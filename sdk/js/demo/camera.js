// Which part of the arena is on the screen. Lengths are in the arena's units, except where `Px` says otherwise.

import { clamp } from "./maths.js";

/** Screens shorter than this show less of the arena, but bigger. */
const SMALL_PX = 480;
/** The bars above and below the arena. */
const HUD_PX = 66;
const CHAT_PX = 72;
/** Screens as narrow as that have the clock below the bar, as in demo.css. */
const NARROW_PX = 640;
const CLOCK_PX = 38;

export class Camera {
  #origin = { x: 0, y: 0 };
  /** Pixels for a unit. */
  scale = 1;

  /** Where a point is on the screen, each number by itself: a frame asks hundreds of times. */
  xOf(x) {
    return (x - this.#origin.x) * this.scale;
  }

  yOf(y) {
    return (y - this.#origin.y) * this.scale;
  }

  toScreen({ x, y }) {
    return { x: this.xOf(x), y: this.yOf(y) };
  }

  /** Shows the whole arena where that is big enough to see, and else follows the own player. */
  follow(game, widthPx, heightPx, elapsedMs) {
    this.scale = scaleFor(game.arena, widthPx, heightPx);
    const centre = easeTowards(game, elapsedMs);
    const { left, right, top, bottom } = game.arena;
    const [spanX, spanY] = [widthPx / this.scale, heightPx / this.scale];
    const margin = 26 / this.scale;
    this.#origin.x = edge(centre.x, spanX, left - margin, right + margin);
    // At its ends the arena stays clear of the bars above and below.
    this.#origin.y = edge(centre.y, spanY, top - hudPx(widthPx) / this.scale, bottom + CHAT_PX / this.scale);
  }
}

function hudPx(widthPx) {
  return widthPx > NARROW_PX ? HUD_PX : HUD_PX + CLOCK_PX;
}

function scaleFor({ left, right, top, bottom, maxSpeed }, widthPx, heightPx) {
  const freePx = heightPx - hudPx(widthPx) - CHAT_PX;
  const whole = Math.min((widthPx - 52) / (right - left), freePx / (bottom - top));
  const shortPx = Math.min(widthPx, freePx);
  const secondsAcross = shortPx < SMALL_PX ? 2.5 : 4.5;
  return Math.max(whole, shortPx / (secondsAcross * maxSpeed));
}

/** Moves the game's camera a part of the way to its player. */
function easeTowards(game, elapsedMs) {
  const { x, y } = game.self;
  const easing = game.camera ? 1 - Math.exp(-elapsedMs / 120) : 1;
  game.camera ??= { x, y };
  game.camera.x += (x - game.camera.x) * easing;
  game.camera.y += (y - game.camera.y) * easing;
  return game.camera;
}

/** The camera's left (or top) edge: centred on the player, but not looking out of the arena more than it must. */
function edge(centre, span, low, high) {
  if (span >= high - low) return (low + high - span) / 2;
  return clamp(centre - span / 2, low, high - span);
}
