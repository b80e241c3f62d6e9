// The game in a lobby, as the server tells it (`scripts/arena_beat.lua`): a round with gems to collect, then a podium, and again.
// No screen and no socket here.

import { pointOf } from "./shapes.js";

/** What is in reach of a player goes to it at the server's next beat. */
export const REACH = 34;

export class Rounds {
  /** `playing`, `podium`, or null before the first round. */
  phase = null;
  number = 0;
  /** When the phase ends, by the server's clock. */
  endsAt = 0;
  podium = [];
  gems = new Map();
  scores = new Map();
  /** Who has the most points, once there are any. */
  leaderId = null;

  /** Takes over what a room's state says, also in the middle of a round. */
  load(state) {
    const arena = state?.arena ?? {};
    this.#enter(["playing", "podium"].includes(arena.phase) ? arena.phase : null, arena.round, arena.ends_at);
    this.podium = listOf(arena.podium);
    this.scores = new Map(Object.entries(state?.scores ?? {}).filter(([, score]) => Number.isFinite(score)));
    this.gems.clear();
    for (const [id, gem] of Object.entries(state?.gems ?? {})) this.appeared({ ...gem, id });
    this.#findLeader();
  }

  started({ round, ends_at: endsAt }) {
    this.#enter("playing", round, endsAt);
    this.gems.clear();
    this.scores.clear();
    this.leaderId = null;
  }

  ended({ round, next_at: nextAt, podium }) {
    this.#enter("podium", round, nextAt);
    this.podium = listOf(podium);
    this.gems.clear();
  }

  appeared({ id, x, y, worth }) {
    if (pointOf({ x, y })) this.gems.set(String(id), { x, y, worth: Number(worth) || 1, bornAt: performance.now() });
  }

  /** Gives the gem that is gone, if this page knew it. */
  taken({ id, user_id: userId, score }) {
    const gem = this.gems.get(String(id));
    this.gems.delete(String(id));
    if (Number.isFinite(score)) this.scores.set(userId, score);
    this.#findLeader();
    return gem;
  }

  scoreOf(userId) {
    return this.scores.get(userId) ?? 0;
  }

  /** The place on the podium, from 1; 0 for who is not on it. Who have as much share a place. */
  placeOf(userId) {
    const index = this.podium.findIndex(({ user_id: id }) => id === userId);
    return this.podium[index]?.place ?? index + 1;
  }

  /** Who have the first place. */
  get winners() {
    return this.podium.filter(({ user_id: id }) => this.placeOf(id) === 1);
  }

  /** Of this phase, at a time of the server's clock. */
  secondsLeft(now) {
    return Math.max(0, Math.ceil((this.endsAt - now) / 1000));
  }

  #enter(phase, round, endsAt) {
    this.phase = phase;
    this.number = Number(round) || 0;
    this.endsAt = Number(endsAt) || 0;
  }

  #findLeader() {
    let most = 0;
    for (const [id, score] of this.scores) {
      if (score > most) [most, this.leaderId] = [score, id];
    }
    if (most === 0) this.leaderId = null;
  }
}

/** Lua writes an empty list as an object. */
function listOf(podium) {
  return Array.isArray(podium) ? podium : [];
}
