// Requests that wait for their answer on the connection that they went out by.

import { GodraError, cancelled } from "./errors.js";
import { PLATFORM, onAbort } from "./util.js";

const MAX_WAITING = 1024;

export class Pending {
  #waiting = new Map();
  #later;

  constructor(later = PLATFORM.later) {
    this.#later = later;
  }

  get isFull() {
    return this.#waiting.size >= MAX_WAITING;
  }

  /** Resolves or rejects with the answer to `id`. */
  add(id, action, timeoutMs, signal) {
    return new Promise((resolve, reject) => {
      const give = (error) => () => this.#take(id)?.reject(Object.assign(error, { outcome: "unknown" }));
      const late = new GodraError("timeout", `No reply to ${action} within ${timeoutMs} ms`);
      const request = { action, resolve, reject, stopClock: this.#later(give(late), timeoutMs) };
      this.#waiting.set(id, request);
      request.unwatch = onAbort(signal, give(cancelled(`${action} was cancelled`)));
    });
  }

  /** Gives the action that was answered; undefined if nobody waits for this answer. */
  settle({ id, result = null }, error) {
    const request = this.#take(id);
    if (error) request?.reject(error);
    else request?.resolve(result);
    return request?.action;
  }

  /** The connection is gone, and the answers with it. */
  fail(why) {
    for (const id of [...this.#waiting.keys()]) this.#take(id).reject(new GodraError("disconnected", why, { outcome: "unknown" }));
  }

  #take(id) {
    const request = this.#waiting.get(id);
    request?.stopClock();
    request?.unwatch?.();
    this.#waiting.delete(id);
    return request;
  }
}
