// The arena's floor, and what moves behind the start screen.

import { niceStep } from "./maths.js";
import { circle } from "./pen.js";

export function drawGround(context, camera, { left, top, right, bottom }) {
  const from = camera.toScreen({ x: left, y: top });
  const to = camera.toScreen({ x: right, y: bottom });
  const [width, height] = [to.x - from.x, to.y - from.y];
  const edge = new Path2D();
  edge.roundRect(from.x, from.y, width, height, 14);
  context.fillStyle = floorLight(context, from, width, height);
  context.fill(edge);
  drawGrid(context, from, to, niceStep((right - left) / 20) * camera.scale);
  context.strokeStyle = "rgb(124 156 255 / 0.55)";
  context.lineWidth = 2;
  context.stroke(edge);
}

function floorLight(context, from, width, height) {
  const [middleX, middleY] = [from.x + width / 2, from.y + height / 2];
  const light = context.createRadialGradient(middleX, middleY, 0, middleX, middleY, Math.max(width, height) * 0.7);
  light.addColorStop(0, "#1c243e");
  light.addColorStop(1, "#10141f");
  return light;
}

function drawGrid(context, from, to, stepPx) {
  context.beginPath();
  for (let x = from.x + stepPx; x < to.x; x += stepPx) {
    context.moveTo(x, from.y);
    context.lineTo(x, to.y);
  }
  for (let y = from.y + stepPx; y < to.y; y += stepPx) {
    context.moveTo(from.x, y);
    context.lineTo(to.x, y);
  }
  context.strokeStyle = "rgb(255 255 255 / 0.045)";
  context.lineWidth = 1;
  context.stroke();
}

/** Behind the start screen: slow lights. */
export function drawBackdrop(context, widthPx, heightPx, timeMs) {
  const time = timeMs / 1000;
  for (let index = 0; index < 14; index += 1) {
    const angle = time * (0.05 + (index % 5) * 0.012) + index * 2.4;
    const x = widthPx * (0.5 + 0.46 * Math.cos(angle + index));
    const y = heightPx * (0.5 + 0.44 * Math.sin(angle * 1.3 + index * 1.7));
    context.fillStyle = `hsl(${(index * 47) % 360} 70% 62% / 0.28)`;
    circle(context, x, y, 7 + (index % 4) * 4);
    context.fill();
  }
}
