// The players on the arena: dot, trail, name and what they say; and the joystick under a finger.

import { clamp } from "./maths.js";
import { circle, FONT, spriteOf, wrap } from "./pen.js";
import { TRAIL_MS } from "./player.js";

const RADIUS_PX = 15;

export function drawTrail(context, camera, player, now) {
  context.fillStyle = player.colour;
  for (const mark of player.trail) {
    const age = (now - mark.at) / TRAIL_MS;
    if (age >= 1) continue;
    context.globalAlpha = 0.22 * (1 - age);
    circle(context, camera.xOf(mark.x), camera.yOf(mark.y), RADIUS_PX * (1 - 0.6 * age));
    context.fill();
  }
  context.globalAlpha = 1;
}

export function drawBody(context, camera, player, isSelf, isLeader) {
  const [x, y] = [camera.xOf(player.x), camera.yOf(player.y)];
  player.body ??= spriteOf(`body ${player.hue}`, 2 * (RADIUS_PX + 20), (pen, middle) => paintBody(pen, middle, player.hue));
  copy(context, player.body, x, y);
  if (isLeader) drawCrown(context, x, y - RADIUS_PX - 4);
  if (!isSelf) return;
  context.strokeStyle = "rgb(255 255 255 / 0.9)";
  context.lineWidth = 2;
  circle(context, x, y, RADIUS_PX + 5);
  context.stroke();
}

export function drawName(context, camera, player, isSelf) {
  player.label ??= paintName(context, player.name, isSelf);
  copy(context, player.label, camera.xOf(player.x), camera.yOf(player.y) + RADIUS_PX + 16);
}

function copy(context, { canvas, sidePx, heightPx }, x, y) {
  context.drawImage(canvas, x - sidePx / 2, y - heightPx / 2, sidePx, heightPx);
}

function paintBody(context, middle, hue) {
  context.shadowColor = `hsl(${hue} 90% 60% / 0.8)`;
  context.shadowBlur = 18;
  const body = context.createRadialGradient(middle - 5, middle - 6, 2, middle, middle, RADIUS_PX);
  body.addColorStop(0, `hsl(${hue} 95% 80%)`);
  body.addColorStop(1, `hsl(${hue} 75% 55%)`);
  context.fillStyle = body;
  circle(context, middle, middle, RADIUS_PX);
  context.fill();
}

/** `measuring` is a context to measure with. */
function paintName(measuring, playerName, isSelf) {
  const name = isSelf ? `${playerName} (you)` : playerName;
  const font = `${isSelf ? 650 : 500} 13px ${FONT}`;
  measuring.font = font;
  const width = Math.min(400, measuring.measureText(name).width + 8);
  const paint = (context, x, y) => {
    Object.assign(context, { font, textAlign: "center", textBaseline: "middle", lineWidth: 3, strokeStyle: "rgb(11 14 23 / 0.8)" });
    context.strokeText(name, x, y);
    context.fillStyle = isSelf ? "#ffffff" : "#c9d2ec";
    context.fillText(name, x, y);
  };
  return spriteOf(`name ${isSelf} ${name}`, width, paint, 22);
}

/** Over who has the most points. */
function drawCrown(context, x, y) {
  context.beginPath();
  context.moveTo(x - 10, y);
  context.lineTo(x - 11, y - 11);
  context.lineTo(x - 5, y - 6);
  context.lineTo(x, y - 13);
  context.lineTo(x + 5, y - 6);
  context.lineTo(x + 11, y - 11);
  context.lineTo(x + 10, y);
  context.closePath();
  context.fillStyle = "#ffd166";
  context.fill();
}

/** What a player has just said, kept inside a screen of this width. */
export function drawBubble(context, camera, player, widthPx, now) {
  if (!player.bubble || now >= player.bubble.until) return;
  const { text, until } = player.bubble;
  const { x, y } = camera.toScreen(player);
  context.save();
  context.globalAlpha = Math.min(1, (until - now) / 400);
  context.font = `500 14px ${FONT}`;
  context.textAlign = "center";
  context.textBaseline = "middle";
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
