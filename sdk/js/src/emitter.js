// Who listens to what.

import { onAbort, reportLater } from "./util.js";

export class Emitter {
  #listeners = new Map();
  #failed;
  #isOver = false;

  /** `failed(error, name)` is told what a callback throws, or rejects with. */
  constructor(failed = reportLater) {
    this.#failed = failed;
  }

  /** Gives back a function that ends it. */
  on(name, callback, { signal, once } = {}) {
    if (typeof callback !== "function") throw new TypeError("on(event, callback): the callback is not a function");
    if (signal?.aborted) return () => {};
    const listener = { callback, once };
    // A new array each time, so that a delivery under way is not disturbed.
    this.#listeners.set(name, [...this.#of(name), listener]);
    const end = () => {
      unwatch();
      this.#keep(name, (one) => one !== listener);
    };
    const unwatch = onAbort(signal, end);
    return (listener.end = end);
  }

  /** Without a callback, for all callbacks of that name. */
  off(name, callback) {
    const gone = callback && this.#of(name).find((one) => one.callback === callback);
    this.#keep(name, (one) => callback && one !== gone);
  }

  has(name) {
    return this.#listeners.has(name);
  }

  emit(name, payload, event) {
    for (const listener of this.#of(name)) {
      if (this.#isOver) return;
      if (listener.once) listener.end();
      try {
        listener.callback(payload, event)?.catch?.((error) => this.#failed(error, name));
      } catch (error) {
        this.#failed(error, name);
      }
    }
  }

  /** Nobody hears anything any more, not even of what is being told now. */
  end() {
    this.#isOver = true;
  }

  #of(name) {
    return this.#listeners.get(name) ?? [];
  }

  #keep(name, isKept) {
    const left = this.#of(name).filter(isKept);
    if (left.length > 0) this.#listeners.set(name, left);
    else this.#listeners.delete(name);
  }
}
