// Inputs of which only the newest counts, such as where a player stands: at most one an interval and key goes out.

/** Older than this, what was kept over an outage says nothing any more. */
const MAX_AGE_MS = 1_000;
/** Whatever the server says of its interval. */
const [SHORTEST_MS, LONGEST_MS] = [4, 10_000];
/** With more keys than this, those that have nothing to say are forgotten. */
const MAX_KEYS = 1_024;

export class Latest {
  #env;
  #send;
  #intervalMs = null;
  /** key → { text, at, sentAt, cancel } */
  #keys = new Map();

  /** How many keys it remembers. */
  get size() {
    return this.#keys.size;
  }

  /** `send(text)` says whether it was sent. */
  constructor(env, send) {
    this.#env = env;
    this.#send = send;
  }

  put(key, text) {
    if (this.#keys.size >= MAX_KEYS) this.#sweep();
    const slot = this.#keys.get(key) ?? { sentAt: -Infinity, cancel: null };
    this.#keys.set(key, slot);
    Object.assign(slot, { text, at: this.#env.now() });
    if (!slot.cancel) this.#flush(slot);
  }

  opened(intervalMs) {
    this.#intervalMs = Math.min(Math.max(intervalMs, SHORTEST_MS), LONGEST_MS);
    for (const slot of this.#keys.values()) {
      if (this.#env.now() - slot.at < MAX_AGE_MS) this.#flush(slot);
      else slot.text = null;
    }
  }

  lost() {
    this.#intervalMs = null;
    for (const slot of this.#keys.values()) {
      slot.cancel?.();
      slot.cancel = null;
    }
  }

  #sweep() {
    const now = this.#env.now();
    for (const [key, { text, at, cancel }] of this.#keys) {
      if (text === null || (!cancel && now - at > MAX_AGE_MS)) this.#keys.delete(key);
    }
  }

  #flush(slot) {
    if (this.#intervalMs === null || slot.text === null) return;
    const now = this.#env.now();
    let waitMs = slot.sentAt + this.#intervalMs - now;
    if (waitMs <= 0) {
      slot.sentAt = now;
      // A network that is far behind gets the newest one an interval later.
      if (this.#send(slot.text)) slot.text = null;
      waitMs = this.#intervalMs;
      if (slot.text === null) return;
    }
    slot.cancel = this.#env.later(() => {
      slot.cancel = null;
      this.#flush(slot);
    }, waitMs);
  }
}
