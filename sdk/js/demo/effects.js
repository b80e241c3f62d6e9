// What flies over the arena for a moment: points that somebody has just made. A fixed number of them, used in turn.

import { FONT } from "./pen.js";

const LIFE_MS = 900;
const RISE_PX = 42;

const popUps = Array.from({ length: 48 }, () => ({ x: 0, y: 0, text: "", colour: "", font: "", from: -LIFE_MS }));
let next = 0;

/** Lets a text rise from a point of the arena. */
export function popUp({ x, y }, text, hue, isBig) {
  const font = `700 ${isBig ? 22 : 15}px ${FONT}`;
  Object.assign(popUps[next], { x, y, text, font, colour: `hsl(${hue} 85% 78%)`, from: performance.now() });
  next = (next + 1) % popUps.length;
}

export function drawPopUps(context, camera, now, isCalm) {
  context.textAlign = "center";
  context.textBaseline = "middle";
  for (const popUp of popUps) {
    const age = (now - popUp.from) / LIFE_MS;
    if (age < 0 || age >= 1) continue;
    context.globalAlpha = 1 - age * age;
    context.font = popUp.font;
    context.fillStyle = popUp.colour;
    context.fillText(popUp.text, camera.xOf(popUp.x), camera.yOf(popUp.y) - (isCalm ? 0.5 : age) * RISE_PX);
  }
  context.globalAlpha = 1;
}
