// One lobby as this page knows it. The server decides where everybody is; the page only guesses ahead for its own player,
// so that keys feel immediate, and shows the others a moment late, so that they move smoothly. No screen and no socket here.

import { distance, round } from "./maths.js";
import { Player } from "./player.js";
import { arenaOf, nameOf, pointOf } from "./shapes.js";

const MOVE_INTERVAL_MS = 50;
/** A move that the server has not confirmed is said again after this long. */
const REPEAT_MS = 200;
const BUBBLE_MS = 5_000;

export class Game {
  constructor(welcome, before) {
    this.code = welcome.game_id;
    this.selfId = welcome.user_id;
    this.delayMs = Math.max(2 * welcome.sync_interval_ms, 60);
    this.players = new Map();
    this.lastSentAt = 0;
    this.lastSent = null;
    this.load(welcome.state);
    if (!this.players.has(this.selfId)) this.joined(welcome);
    // The server knows no position before the first move. Whoever comes back stands where they stood.
    if (!this.self.isPlaced) this.self.place(before?.self ?? this.somewhere());
    this.camera = before?.camera ?? null;
  }

  get self() {
    return this.players.get(this.selfId);
  }

  /** Takes over a whole state; whoever is not in it is gone. */
  load(state) {
    this.arena = arenaOf(state);
    const listed = new Map(this.arena.players.map((player) => [player.user_id, player]));
    for (const id of this.players.keys()) if (!listed.has(id) && id !== this.selfId) this.players.delete(id);
    for (const player of listed.values()) this.joined(player);
  }

  joined(player) {
    const known = this.players.get(player.user_id);
    if (known) known.name = nameOf(player);
    else this.players.set(player.user_id, new Player(player));
    const point = pointOf(player);
    if (point) this.moved({ ...player, ...point });
  }

  left({ user_id: id }) {
    if (id !== this.selfId) this.players.delete(id);
  }

  moved({ user_id: id, x, y }) {
    const player = this.players.get(id);
    if (!player || !pointOf({ x, y })) return;
    if (id === this.selfId) player.confirm({ x, y });
    else player.addSample({ x, y }, performance.now(), this.delayMs);
  }

  /** Somebody talks; gives back the name that this lobby knows the speaker by. */
  said({ user_id: id, username, message }) {
    const player = this.players.get(id);
    if (player) player.bubble = { text: message, until: performance.now() + BUBBLE_MS };
    return player?.name ?? nameOf({ user_id: id, username });
  }

  /** The server refused a move, and says where this player stands. */
  corrected(point) {
    this.self.confirm(point);
  }

  /** A random place, not too near to the edges. */
  somewhere() {
    const { left, right, top, bottom } = this.arena;
    const between = (low, high) => low + (high - low) * (0.2 + 0.6 * Math.random());
    return { x: between(left, right), y: between(top, bottom) };
  }

  /** One step of the picture: the own player by its keys, the others by what the server said. */
  step(heading, now, elapsedMs) {
    this.self.walk(heading, this.arena, elapsedMs);
    for (const player of this.players.values()) {
      if (player !== this.self) player.interpolate(now - this.delayMs);
      if (player.isPlaced) player.leaveTrail(now);
    }
  }

  /** Hands the own player's place to `send` when it is time to; `send` says whether it went out. */
  sendMove(now, send) {
    const { self } = this;
    if (now - this.lastSentAt < MOVE_INTERVAL_MS) return;
    const point = { x: round(self.x), y: round(self.y) };
    const confirmed = self.confirmed && distance(self.confirmed, point) < 0.2;
    const isNew = !this.lastSent || distance(this.lastSent, point) > 0.05;
    if (confirmed || (!isNew && now - this.lastSentAt < REPEAT_MS)) return;
    if (!send(point)) return;
    this.lastSent = point;
    this.lastSentAt = now;
  }
}
