// One lobby as this page knows it. The server decides where everybody is; the page only guesses ahead for its own player,
// so that keys feel immediate, and shows the others a moment late, so that they move smoothly. No screen and no socket here.

import { distance, round } from "./maths.js";
import { Player } from "./player.js";
import { Rounds } from "./rounds.js";
import { arenaOf, nameOf, pointOf } from "./shapes.js";

/** A move that the server has not confirmed is said again after this long. */
const REPEAT_MS = 200;
const BUBBLE_MS = 5_000;

export class Game {
  constructor(room, before) {
    this.code = room.id;
    this.selfId = room.me.userId;
    this.delayMs = Math.max(2 * room.syncInterval, 60);
    this.rounds = new Rounds();
    this.players = new Map();
    /** Those that have a place, from the back of the arena to its front. */
    this.drawn = [];
    this.lastSentAt = 0;
    this.lastSent = null;
    this.players.set(this.selfId, new Player({ user_id: this.selfId, username: room.me.username }));
    this.load(room.state);
    // The server knows no position before the first move. Whoever comes back stands where they stood.
    if (!this.self.isPlaced) this.self.place(before?.self ?? this.somewhere());
    this.camera = before?.camera ?? null;
  }

  get self() {
    return this.players.get(this.selfId);
  }

  /** Takes over a whole state. */
  load(state) {
    this.arena = arenaOf(state);
    this.rounds.load(state?.state);
    this.sync(state);
    for (const player of this.arena.players) this.moved(player);
  }

  /** Shows who is in the state, and nobody else; says whether that has changed. */
  sync(state) {
    const { players } = arenaOf(state);
    const listed = new Set(players.map(({ user_id: id }) => id));
    const gone = [...this.players.keys()].filter((id) => !listed.has(id) && id !== this.selfId);
    const come = players.filter(({ user_id: id }) => !this.players.has(id));
    for (const id of gone) this.players.delete(id);
    for (const player of come) {
      this.players.set(player.user_id, new Player(player));
      this.moved(player);
    }
    return gone.length + come.length > 0;
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
    this.drawn.length = 0;
    for (const player of this.players.values()) {
      if (player !== this.self) player.interpolate(now - this.delayMs);
      if (!player.isPlaced) continue;
      player.leaveTrail(now);
      this.drawn.push(player);
    }
    this.drawn.sort(byDepth);
  }

  /** Tells the room where the own player is, if it may not know. */
  sendMove(now, room) {
    const { self } = this;
    const point = { x: round(self.x), y: round(self.y) };
    const confirmed = self.confirmed && distance(self.confirmed, point) < 0.2;
    const isNew = !this.lastSent || distance(this.lastSent, point) > 0.05;
    if (confirmed || (!isNew && now - this.lastSentAt < REPEAT_MS)) return;
    room.sendLatest("move_player", point);
    this.lastSent = point;
    this.lastSentAt = now;
  }
}

function byDepth(a, b) {
  return a.y - b.y;
}
