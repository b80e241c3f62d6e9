// Requests that run exactly once: numbered, kept until they are answered, and sent again by the next connection.
// Follows what sdk/PROTOCOL.md says of numbered inputs. No socket and no clock of its own: see the constructor.

import { retryDelayMs } from "./backoff.js";
import { GodraError, cancelled } from "./errors.js";
import { PLATFORM, onAbort } from "./util.js";

/** So many may wait for their answers. */
export const MAX_WAITING = 64;
/** So many are on their way at once, as the server keeps the first answers to so many: an answer that got lost can come again. */
export const MAX_UNDER_WAY = 16;
/** With these the server says: not now. They have not run, or nobody knows. */
const NOT_NOW = new Set(["busy", "unavailable", "rate_limited", "out_of_order"]);
const RETRY = { firstDelayMs: 100, maxDelayMs: 5_000 };

export class Outbox {
  /** Oldest first. A request has an `n` and an `epoch` (of the store that may have run it) once it has been sent. */
  #waiting = [];
  #send;
  #later;
  #random;
  #textOf;
  #isOpen = false;
  #isNumbered = true;
  #nextN = 1;
  #epoch;
  #user;
  #refusals = 0;
  #cancelRetry = null;

  /** `send(text)` says whether it was sent; `later(run, delayMs)` gives back a function that cancels it. */
  constructor({ send, later = PLATFORM.later, random = Math.random, textOf = JSON.stringify }) {
    this.#send = send;
    this.#later = later;
    this.#random = random;
    this.#textOf = textOf;
  }

  /** Takes a request, and settles with its answer, whichever connection that comes by. Without `timeoutMs` it waits for it. */
  async add(id, action, payload, timeoutMs, signal) {
    if (!this.#isNumbered) throw unsupported(action);
    if (this.#waiting.length >= MAX_WAITING) {
      throw new GodraError("queue_full", `${MAX_WAITING} requests wait already: ${action} was not sent`, { outcome: "none" });
    }
    // Text, as the game may change the payload before it is sent again.
    const text = this.#textOf({ action, payload, id });
    return new Promise((resolve, reject) => {
      const request = { id, action, text, n: null, epoch: null, isUnderWay: false, resolve, reject, cancelTimeout: null };
      this.#waiting.push(request);
      const late = () => this.#giveUp(request, new GodraError("timeout", `No reply to ${action} within ${timeoutMs} ms`));
      if (timeoutMs !== undefined) request.cancelTimeout = this.#later(late, timeoutMs);
      request.unwatch = onAbort(signal, () => this.#giveUp(request, cancelled(`${action} was cancelled`)));
      this.#flush();
    });
  }

  /** A connection is there: what waits goes out, the oldest first, with the numbers that it had. */
  welcome({ n, epoch, user_id: user }) {
    this.#isOpen = true;
    this.#isNumbered = Number.isSafeInteger(n);
    if (!this.#isNumbered) {
      this.#failAll(() => true, unsupported);
      return;
    }
    const isOther = this.#user !== undefined && user !== this.#user;
    if (isOther) this.fail("The connection is another player's now");
    const isLost = (request) => request.epoch !== null && request.epoch !== epoch;
    this.#failAll(isLost, disconnected("The server has lost the room's data"));
    this.#nextN = isOther || epoch !== this.#epoch ? n + 1 : Math.max(this.#nextN, n + 1);
    this.#epoch = epoch;
    this.#user = user;
    this.#flush();
  }

  /** The store lost its data while the connection holds. What is under way gets its answer, unless the connection goes, too. */
  epochIs(epoch) {
    this.#epoch = epoch;
  }

  lost() {
    this.#isOpen = false;
    this.#refusals = 0;
    this.#cancelRetry?.();
    this.#cancelRetry = null;
    for (const request of this.#waiting) request.isUnderWay = false;
  }

  /** No connection will follow. */
  fail(why) {
    this.#failAll(() => true, disconnected(why));
  }

  /** Whether this was an answer to a numbered request. */
  settle({ id, n, result }, error) {
    const request = this.#waiting.find((one) => one.n !== null && (one.id === id || one.n === n));
    // What was sent twice is answered twice.
    if (!request) return n !== undefined;
    if (error && NOT_NOW.has(error.code)) {
      this.#putOff(request);
      return true;
    }
    this.#remove(request);
    this.#refusals = 0;
    if (error) request.reject(error);
    else request.resolve(result);
    this.#flush();
    return true;
  }

  #flush() {
    if (!this.#isOpen || this.#cancelRetry) return;
    let underWay = this.#waiting.filter(({ isUnderWay }) => isUnderWay).length;
    for (const request of this.#waiting.filter(({ isUnderWay }) => !isUnderWay)) {
      if (underWay >= MAX_UNDER_WAY) return;
      if (!this.#sendOne(request)) {
        this.#retryLater();
        return;
      }
      underWay += 1;
    }
  }

  #sendOne(request) {
    const n = request.n ?? this.#nextN;
    if (!this.#send(`${request.text.slice(0, -1)},"n":${n}}`)) return false;
    request.n = n;
    request.epoch ??= this.#epoch;
    request.isUnderWay = true;
    this.#nextN = Math.max(this.#nextN, n + 1);
    return true;
  }

  // What was sent behind it must not run before it, and the server refuses it, too: all of that goes again, in order.
  #putOff(refused) {
    for (const request of this.#waiting) if (request.n !== null && request.n >= refused.n) request.isUnderWay = false;
    this.#retryLater();
  }

  #retryLater() {
    if (this.#cancelRetry) return;
    this.#refusals += 1;
    const delayMs = retryDelayMs({ attempt: this.#refusals + 1, answers: this.#refusals }, RETRY, this.#random);
    this.#cancelRetry = this.#later(() => {
      this.#cancelRetry = null;
      this.#flush();
    }, delayMs);
  }

  // One that was sent stays, unheard: it may have been refused, and then holds back all behind it until it comes again.
  #giveUp(request, error) {
    if (request.n === null) this.#remove(request);
    request.reject(Object.assign(error, { outcome: outcomeOf(request) }));
  }

  #failAll(isMeant, errorOf) {
    for (const request of this.#waiting.filter(isMeant)) {
      this.#remove(request);
      request.reject(errorOf(request.action, outcomeOf(request)));
    }
  }

  #remove(request) {
    request.cancelTimeout?.();
    request.unwatch?.();
    this.#waiting = this.#waiting.filter((one) => one !== request);
  }
}

function outcomeOf({ n }) {
  return n === null ? "none" : "unknown";
}

function disconnected(why) {
  return (action, outcome) => {
    const more = outcome === "none" ? "was not sent" : "may have run, or not";
    return new GodraError("disconnected", `${why}: ${action} ${more}`, { outcome });
  };
}

function unsupported(action, outcome = "none") {
  return new GodraError("unsupported", `This server takes no numbered inputs: ${action} was not sent`, { outcome });
}
