// One connection: the attempt at it, from the token to the welcome, and then its life. Tells how it ends, once, unless it is abandoned.

import { WILL_COME_BACK } from "./close-codes.js";
import { GodraError } from "./errors.js";
import { explain } from "./refusal.js";

export class Attempt {
  token = null;
  /** What the server said of why it lets nobody in. */
  refusal = null;
  #env;
  #isFirst;
  #handlers;
  #link = null;
  #isWelcome = false;
  #stopClock;

  /** `handlers`: `received(data)`; `failed(error, isOfServer)` without a welcome, `lost(end)` with one. */
  constructor(env, timeoutMs, isFirst, handlers) {
    this.#env = env;
    this.#isFirst = isFirst;
    this.#handlers = handlers;
    this.#stopClock = env.later(() => this.#timedOut(timeoutMs), timeoutMs);
  }

  /** `getToken()` may take its time; `queryFor(token)` gives the parameters of the address. */
  async start(getToken, queryFor) {
    try {
      this.token = await getToken();
    } catch (error) {
      this.#end("failed", error, false);
      return;
    }
    if (!this.#handlers) return;
    try {
      this.#open(queryFor);
    } catch (error) {
      this.#end("failed", error, true);
    }
  }

  send(text, maxBufferedBytes) {
    return this.#link.send(text, maxBufferedBytes);
  }

  welcomed() {
    this.#stopClock();
    this.#isWelcome = true;
  }

  /** From now on nothing is told. */
  abandon() {
    this.#stopClock();
    this.#handlers = null;
  }

  close(code, reason) {
    this.#link?.end(code, reason);
  }

  #open(queryFor) {
    const { token } = this;
    if (typeof token !== "string" || token === "") {
      throw new GodraError("unauthorized", "No token: call auth.ensure(), auth.guestLogin() or auth.login() first, or pass one");
    }
    this.#link = this.#env.open(token, queryFor(token), {
      received: (data) => this.#handlers?.received(data),
      ended: (end) => this.#ended(end),
    });
  }

  async #ended(end) {
    if (this.#isWelcome) {
      this.#end("lost", end);
      return;
    }
    this.#stopClock();
    this.#end("failed", await explain(end, this.refusal, this.#env), true);
  }

  #timedOut(timeoutMs) {
    const message = `No welcome from the server within ${timeoutMs} ms`;
    this.close(this.#isFirst ? 1000 : WILL_COME_BACK, message);
    this.#end("failed", new GodraError("timeout", message), true);
  }

  #end(how, ...what) {
    const handlers = this.#handlers;
    this.abandon();
    handlers?.[how](...what);
  }
}
