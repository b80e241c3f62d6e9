// Who listens to what.

import { reportLater } from "./util.js";

export class Emitter {
  #listeners = new Map();

  /** Gives back a function that ends it. */
  on(name, callback) {
    if (typeof callback !== "function") throw new TypeError("on(event, callback): the callback is not a function");
    const callbacks = this.#listeners.get(name) ?? [];
    // A new array each time, so that a delivery under way is not disturbed.
    this.#listeners.set(name, [...callbacks, callback]);
    return () => this.off(name, callback);
  }

  /** Without a callback, for all callbacks of that name. */
  off(name, callback) {
    const callbacks = this.#listeners.get(name) ?? [];
    const index = callback === undefined ? -1 : callbacks.indexOf(callback);
    if (callback === undefined) this.#listeners.delete(name);
    else if (index >= 0) this.#listeners.set(name, callbacks.filter((_, at) => at !== index));
  }

  emit(name, payload, event) {
    for (const callback of this.#listeners.get(name) ?? []) {
      try {
        callback(payload, event);
      } catch (error) {
        reportLater(error);
      }
    }
  }
}
