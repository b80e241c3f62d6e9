// The gems on the floor: small ones, and those that are worth more.

import { spriteOf } from "./pen.js";
import { REACH } from "./rounds.js";

const GROW_MS = 250;
const SMALL = { radius: 9, light: "hsl(160 85% 75%)", dark: "hsl(165 70% 42%)" };
const BIG = { radius: 14, light: "hsl(48 100% 78%)", dark: "hsl(38 95% 50%)" };

export function drawGems(context, camera, game, now, isCalm) {
  const { self } = game;
  for (const gem of game.rounds.gems.values()) {
    const kind = gem.worth > 1 ? BIG : SMALL;
    let [x, y, size] = [gem.x, gem.y, isCalm ? 1 : Math.min(1, (now - gem.bornAt) / GROW_MS)];
    if (size <= 0) continue;
    if (!isCalm) size *= 1 + 0.08 * Math.sin(now / 260 + gem.x);
    // What is in reach of the own player flies towards it before the server has said whose it is.
    if (Math.hypot(self.x - x, self.y - y) < REACH) {
      x += (self.x - x) * 0.6;
      y += (self.y - y) * 0.6;
      size *= 0.7;
    }
    const sprite = spriteOf(kind === BIG ? "big gem" : "small gem", 2 * kind.radius + 24, (pen, middle) => paint(pen, middle, kind));
    const sidePx = sprite.sidePx * size;
    context.drawImage(sprite.canvas, camera.xOf(x) - sidePx / 2, camera.yOf(y) - sidePx / 2, sidePx, sidePx);
  }
}

function paint(context, middle, { radius, light, dark }) {
  context.shadowColor = light;
  context.shadowBlur = 10;
  diamond(context, middle, radius, 1);
  context.fillStyle = dark;
  context.fill();
  context.shadowBlur = 0;
  diamond(context, middle, radius, 0.55);
  context.fillStyle = light;
  context.fill();
}

function diamond(context, middle, radius, share) {
  const [wide, high] = [radius * 0.8 * share, radius * share];
  context.beginPath();
  context.moveTo(middle, middle - high);
  context.lineTo(middle + wide, middle);
  context.lineTo(middle, middle + high);
  context.lineTo(middle - wide, middle);
  context.closePath();
}
