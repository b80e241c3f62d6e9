// The arena's floor, and what moves behind the start screen.

import { niceStep } from "./maths.js";
import { circle } from "./pen.js";

/** Half of the edge's line is outside the arena. */
const EDGE_PX = 2;
/** Wider arenas are painted for each frame, as a picture of them would take much memory. */
const MAX_PICTURE_PX = 2_048;

/** The floor as it was painted last. It changes with the window only. */
const picture = { key: "", canvas: document.createElement("canvas") };

export function drawGround(context, camera, arena) {
  const [x, y] = [camera.xOf(arena.left), camera.yOf(arena.top)];
  const [width, height] = [camera.xOf(arena.right) - x, camera.yOf(arena.bottom) - y];
  const stepPx = niceStep((arena.right - arena.left) / 20) * camera.scale;
  if (Math.max(width, height) > MAX_PICTURE_PX) {
    context.save();
    context.translate(x, y);
    paintGround(context, width, height, stepPx);
    context.restore();
    return;
  }
  const side = EDGE_PX * 2;
  const density = Math.min(devicePixelRatio || 1, 2);
  const key = `${Math.round(width)} ${Math.round(height)} ${density}`;
  if (picture.key !== key) paintPicture(key, width, height, density, stepPx);
  context.drawImage(picture.canvas, x - EDGE_PX, y - EDGE_PX, width + side, height + side);
}

function paintPicture(key, width, height, density, stepPx) {
  const { canvas } = picture;
  picture.key = key;
  canvas.width = Math.ceil((width + 2 * EDGE_PX) * density);
  canvas.height = Math.ceil((height + 2 * EDGE_PX) * density);
  const context = canvas.getContext("2d");
  context.scale(canvas.width / (width + 2 * EDGE_PX), canvas.height / (height + 2 * EDGE_PX));
  context.translate(EDGE_PX, EDGE_PX);
  paintGround(context, width, height, stepPx);
}

function paintGround(context, width, height, stepPx) {
  const edge = new Path2D();
  edge.roundRect(0, 0, width, height, 14);
  context.fillStyle = floorLight(context, width, height);
  context.fill(edge);
  paintGrid(context, width, height, stepPx);
  context.strokeStyle = "rgb(124 156 255 / 0.55)";
  context.lineWidth = 2;
  context.stroke(edge);
}

function floorLight(context, width, height) {
  const [middleX, middleY] = [width / 2, height / 2];
  const light = context.createRadialGradient(middleX, middleY, 0, middleX, middleY, Math.max(width, height) * 0.7);
  light.addColorStop(0, "#1c243e");
  light.addColorStop(1, "#10141f");
  return light;
}

function paintGrid(context, width, height, stepPx) {
  context.beginPath();
  for (let x = stepPx; x < width; x += stepPx) {
    context.moveTo(x, 0);
    context.lineTo(x, height);
  }
  for (let y = stepPx; y < height; y += stepPx) {
    context.moveTo(0, y);
    context.lineTo(width, y);
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
