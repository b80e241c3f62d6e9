// One player's dot: where it is, where the server has it, and how it gets from one to the other.

import { clamp, distance, hueOf } from "./maths.js";
import { nameOf } from "./shapes.js";

/** Below the limit of the server, whose clock does not tick with ours. */
const SPEED_SHARE = 0.9;
/** A trail is a few marks, the oldest of which makes room for the next. */
export const TRAIL_MS = 400;
const MARKS = 8;

export class Player {
  constructor(player) {
    this.id = player.user_id;
    this.name = nameOf(player);
    this.hue = hueOf(player.user_id);
    this.colour = `hsl(${this.hue} 80% 65%)`;
    /** What is drawn for it, painted when it is first needed. */
    this.body = null;
    this.label = null;
    /** False until the first position is known; such a player is not drawn. */
    this.isPlaced = false;
    this.x = 0;
    this.y = 0;
    /** Where the server has this player, as far as it said. */
    this.confirmed = null;
    this.samples = [];
    this.trail = Array.from({ length: MARKS }, () => ({ x: 0, y: 0, at: -TRAIL_MS }));
    this.lastMark = 0;
    this.bubble = null;
  }

  place({ x, y }) {
    Object.assign(this, { x, y, isPlaced: true });
  }

  /** Walks ahead of the server, but not out of its sight: too far from what it confirmed, it is pulled back. */
  walk(heading, arena, elapsedMs) {
    const stepLength = (arena.maxSpeed * SPEED_SHARE * elapsedMs) / 1000;
    this.x = clamp(this.x + heading.x * stepLength, arena.left, arena.right);
    this.y = clamp(this.y + heading.y * stepLength, arena.top, arena.bottom);
    if (!this.confirmed) return;
    const gap = distance(this, this.confirmed);
    const leash = arena.maxSpeed * 0.6;
    if (gap <= leash) return;
    const pull = Math.min(1, (gap - leash) / gap);
    this.x += (this.confirmed.x - this.x) * pull;
    this.y += (this.confirmed.y - this.y) * pull;
  }

  confirm(point) {
    if (!this.isPlaced) this.place(point);
    this.confirmed = point;
  }

  addSample(point, now, delayMs) {
    const last = this.samples.at(-1);
    if (!last) this.place(point);
    // After a rest the way begins now, not where the rest began.
    else if (now - last.at > delayMs) this.samples.push({ ...last, at: now - delayMs / 2 });
    this.samples.push({ ...point, at: now });
    if (this.samples.length > 60) this.samples.splice(0, 30);
    this.confirmed = point;
  }

  interpolate(at) {
    while (this.samples.length > 2 && this.samples[1].at <= at) this.samples.shift();
    const [from, to] = this.samples;
    if (!from) return;
    const share = to ? clamp((at - from.at) / (to.at - from.at || 1), 0, 1) : 0;
    this.x = from.x + ((to ?? from).x - from.x) * share;
    this.y = from.y + ((to ?? from).y - from.y) * share;
  }

  leaveTrail(now) {
    const last = this.trail[this.lastMark];
    if (now - last.at < TRAIL_MS / MARKS || distance(last, this) < 4) return;
    this.lastMark = (this.lastMark + 1) % MARKS;
    const mark = this.trail[this.lastMark];
    mark.x = this.x;
    mark.y = this.y;
    mark.at = now;
  }
}
