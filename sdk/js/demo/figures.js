// The players on the arena: dot, trail, name and what they say; and the joystick under a finger.

import { clamp } from "./maths.js";
import { circle, FONT, wrap } from "./pen.js";

const RADIUS_PX = 15;

export function drawTrail(context, camera, player, now) {
  if (player.trail.length < 2) return;
  for (const mark of player.trail) {
    const age = (now - mark.at) / 400;
    const { x, y } = camera.toScreen(mark);
    context.fillStyle = `hsl(${player.hue} 80% 65% / ${0.22 * (1 - age)})`;
    circle(context, x, y, RADIUS_PX * (1 - 0.6 * age));
    context.fill();
  }
}

export function drawBody(context, camera, player, isSelf) {
  const { x, y } = camera.toScreen(player);
  context.save();
  context.shadowColor = `hsl(${player.hue} 90% 60% / 0.8)`;
  context.shadowBlur = 18;
  const body = context.createRadialGradient(x - 5, y - 6, 2, x, y, RADIUS_PX);
  body.addColorStop(0, `hsl(${player.hue} 95% 80%)`);
  body.addColorStop(1, `hsl(${player.hue} 75% 55%)`);
  context.fillStyle = body;
  circle(context, x, y, RADIUS_PX);
  context.fill();
  context.restore();
  if (!isSelf) return;
  context.strokeStyle = "rgb(255 255 255 / 0.9)";
  context.lineWidth = 2;
  circle(context, x, y, RADIUS_PX + 5);
  context.stroke();
}

export function drawName(context, camera, player, isSelf) {
  const { x, y } = camera.toScreen(player);
  context.textAlign = "center";
  context.textBaseline = "middle";
  context.font = `${isSelf ? 650 : 500} 13px ${FONT}`;
  context.lineWidth = 3;
  context.strokeStyle = "rgb(11 14 23 / 0.8)";
  const name = isSelf ? `${player.name} (you)` : player.name;
  context.strokeText(name, x, y + RADIUS_PX + 16);
  context.fillStyle = isSelf ? "#ffffff" : "#c9d2ec";
  context.fillText(name, x, y + RADIUS_PX + 16);
}

/** What a player has just said, kept inside a screen of this width. */
export function drawBubble(context, camera, player, widthPx, now) {
  if (!player.bubble || now >= player.bubble.until) return;
  const { text, until } = player.bubble;
  const { x, y } = camera.toScreen(player);
  context.save();
  context.globalAlpha = Math.min(1, (until - now) / 400);
  context.font = `500 14px ${FONT}`;
  const lines = wrap(context, text, 220, 3);
  const box = bubbleBox(context, lines, x, y - RADIUS_PX - 12, widthPx);
  context.fillStyle = "rgb(240 244 255 / 0.95)";
  traceBubble(context, box, x);
  context.fill();
  context.fillStyle = "#141a2c";
  lines.forEach((line, index) => context.fillText(line, box.left + box.width / 2, box.top + 16 + index * 19));
  context.restore();
}

function bubbleBox(context, lines, x, bottom, widthPx) {
  const width = Math.max(...lines.map((line) => context.measureText(line).width)) + 22;
  const height = lines.length * 19 + 12;
  const left = clamp(x - width / 2, 6, Math.max(6, widthPx - width - 6));
  return { left, top: bottom - height, bottom, width, height };
}

function traceBubble(context, { left, top, bottom, width, height }, x) {
  context.beginPath();
  context.roundRect(left, top, width, height, 11);
  context.moveTo(x + 6, bottom - 1);
  context.lineTo(x, bottom + 7);
  context.lineTo(x - 6, bottom - 1);
}

export function drawJoystick(context, { from, at }, radiusPx) {
  const length = Math.hypot(at.x - from.x, at.y - from.y) || 1;
  const share = Math.min(1, radiusPx / length);
  context.fillStyle = "rgb(255 255 255 / 0.06)";
  context.strokeStyle = "rgb(255 255 255 / 0.25)";
  context.lineWidth = 2;
  circle(context, from.x, from.y, radiusPx);
  context.fill();
  context.stroke();
  context.fillStyle = "rgb(255 255 255 / 0.35)";
  circle(context, from.x + (at.x - from.x) * share, from.y + (at.y - from.y) * share, 22);
  context.fill();
}
