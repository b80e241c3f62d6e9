// Who wants to hear what of a room.

import { Emitter } from "./emitter.js";
import { GodraError, cancelled } from "./errors.js";
import { onAbort } from "./util.js";

/** The SDK's own names: a script's event of the same name is reached by `onEvent`. */
const LIFECYCLE = new Set(["connected", "disconnected", "reconnecting", "snapshot", "error", "change"]);
const ANY = Symbol("any");
const ENDED = Symbol("ended");
/** An iterator that is so far behind is given up. */
const MAX_BEHIND = 4096;

export class Listeners {
  #life;
  #events;
  #later;

  constructor(failed, later) {
    this.#life = new Emitter(failed);
    this.#events = new Emitter(failed);
    this.#later = later;
  }

  on(name, callback, options) {
    return this.#of(name).on(name, callback, options);
  }

  off(name, callback) {
    this.#of(name).off(name, callback);
  }

  onEvent(name, callback, options) {
    return typeof name === "function" ? this.#events.on(ANY, name, callback) : this.#events.on(name, callback, options);
  }

  async next(name, { timeoutMs, signal, where = () => true } = {}) {
    const stops = [];
    try {
      return await new Promise((resolve, reject) => {
        const left = () => reject(new GodraError("disconnected", `The room was left before ${String(name)} came`));
        const late = () => reject(new GodraError("timeout", `No ${name} within ${timeoutMs} ms`));
        const seen = (payload, event = { type: name, payload }) => where(event) && resolve(event);
        stops.push(this.on(name, seen), this.#life.on(ENDED, left), onAbort(signal, () => reject(cancelled(`${name} is not awaited any more`))));
        if (timeoutMs !== undefined) stops.push(this.#later(late, timeoutMs));
      });
    } finally {
      for (const stop of stops) stop();
    }
  }

  async *events() {
    const queue = [];
    let wake = () => {};
    let end = null;
    const finish = (how) => {
      end = how;
      for (const stop of stops) stop();
      wake();
    };
    const take = (_payload, event) => {
      wake(queue.push(event));
      if (queue.length > MAX_BEHIND) finish(new GodraError("queue_full", `More than ${MAX_BEHIND} events wait to be taken`));
    };
    const stops = [this.onEvent(take), this.#life.on(ENDED, () => finish("left"))];
    try {
      for (;;) {
        if (queue.length > 0) yield queue.shift();
        else if (end instanceof GodraError) throw end;
        else if (end) return;
        else await new Promise((resolve) => (wake = resolve));
      }
    } finally {
      finish("returned");
    }
  }

  /** Something of the SDK's own; says whether anybody listened. */
  tell(name, payload, event) {
    this.#life.emit(name, payload, event);
    return this.#life.has(name);
  }

  event(event) {
    this.#events.emit(event.type, event.payload, event);
    this.#events.emit(ANY, event.payload, event);
  }

  /** Nothing comes after this. */
  ended() {
    this.#life.emit(ENDED);
    this.#life.end();
    this.#events.end();
  }

  #of(name) {
    return LIFECYCLE.has(name) ? this.#life : this.#events;
  }
}
