// Inputs of which only the newest counts, such as where a player stands: at most one an interval and key goes out.

/** Older than this, what was kept over an outage says nothing any more. */
const MAX_AGE_MS = 1_000;

export class Latest {
  #env;
  #send;
  #intervalMs = null;
  /** key → { text, at, sentAt, cancel } */
  #keys = new Map();

  /** `send(text)` says whether it was sent. */
  constructor(env, send) {
    this.#env = env;
    this.#send = send;
  }

  put(key, text) {
    const slot = this.#keys.get(key) ?? { sentAt: -Infinity, cancel: null };
    this.#keys.set(key, slot);
    Object.assign(slot, { text, at: this.#env.now() });
    if (!slot.cancel) this.#flush(slot);
  }

  opened(intervalMs) {
    this.#intervalMs = intervalMs;
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
