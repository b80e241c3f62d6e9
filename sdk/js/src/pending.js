// Requests that wait for their answer on the connection that they went out by.

import { GodraError } from "./errors.js";

export class Pending {
  #waiting = new Map();

  /** Resolves or rejects with the answer to `id`. */
  add(id, action, timeoutMs) {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(id);
        reject(new GodraError("timeout", `No reply to ${action} within ${timeoutMs} ms`, { outcome: "unknown" }));
      }, timeoutMs);
      this.#waiting.set(id, { action, resolve, reject, timer });
    });
  }

  /** Gives the action that was answered; undefined if nobody waits for this answer. */
  settle({ id, result }, error) {
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
    clearTimeout(request?.timer);
    this.#waiting.delete(id);
    return request;
  }
}
