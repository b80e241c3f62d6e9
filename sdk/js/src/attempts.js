// The attempts to come back since the last good connection: how many there were, how they went, and when the next one is due.
// No clock: `now` is passed in, in milliseconds.

import { retryDelayMs } from "./backoff.js";
import { isGentle } from "./close-codes.js";
import { isAnswer, isFinal, isRefusal } from "./refusal.js";

/** A connection that held this long was a good one: the delays begin from the start again. */
export const STABLE_MS = 5_000;

export class Attempts {
  /** 0 while the first connection is made or holds. */
  count = 0;
  /** Attempts that the server refused, and those that it answered in whatever way, since it last took the player. */
  #refusals = 0;
  #answers = 0;
  #openedAt = 0;
  #lostAt = 0;
  #limits;
  #random;

  constructor(limits, random) {
    this.#limits = limits;
    this.#random = random;
  }

  opened(now) {
    this.#openedAt = now;
    this.#refusals = 0;
    this.#answers = 0;
  }

  lost(now) {
    if (this.count === 0 || now - this.#openedAt > (this.#limits.stableMs ?? STABLE_MS)) this.restart(now);
  }

  /** Begins from the start, as if the connection had been lost now. */
  restart(now) {
    this.count = 0;
    this.#lostAt = now;
  }

  failed(error) {
    if (isRefusal(error) || isFinal(error)) this.#refusals += 1;
    this.#answers = isAnswer(error) ? this.#answers + 1 : 0;
  }

  /** Whether the server has refused so often that it will not change its mind. */
  get areRefused() {
    return this.#refusals >= this.#limits.maxRefusals;
  }

  /** Counts one more, after a connection or an attempt that ended with this close code; gives what `reconnecting` tells. */
  next(now, closeCode, retryAfterS) {
    this.count += 1;
    const about = { attempt: this.count, goneMs: now - this.#lostAt, answers: this.#answers, isGentle: isGentle(closeCode), retryAfterS };
    return { attempt: this.count, delayMs: retryDelayMs(about, this.#limits, this.#random) };
  }
}
