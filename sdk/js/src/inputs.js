// All that goes out to a room, and the answers to it.

import { Clock } from "./clock.js";
import { GodraError, errorOfPayload } from "./errors.js";
import { Latest } from "./latest.js";
import { isWhole, textOf } from "./message.js";
import { Outbox } from "./outbox.js";
import { Pending } from "./pending.js";

export class Inputs {
  clock = new Clock();
  #env;
  #settings;
  #transmit;
  #reached;
  #pending;
  #outbox;
  #latest;
  #nextId = 1;

  /** `transmit(text)` says whether it was sent; `reached(seq)` is told what a heartbeat says of the position. */
  constructor(env, settings, { transmit, reached }) {
    this.#env = env;
    this.#settings = settings;
    this.#transmit = transmit;
    this.#reached = reached;
    this.#pending = new Pending(env.later);
    this.#latest = new Latest(env, transmit);
    this.#outbox = new Outbox({ send: transmit, later: env.later, random: env.random, textOf: (input) => this.#textOf(input) });
  }

  send(action, payload = null) {
    return this.#transmit(this.#textOf({ action, payload }));
  }

  sendLatest(action, payload = null, key = action) {
    this.#latest.put(key, this.#textOf({ action, payload }));
  }

  async request(action, payload = null, { timeoutMs, once = false, signal } = {}) {
    const id = this.#nextId++;
    if (signal?.aborted) throw new GodraError("cancelled", `${action} was cancelled`, { outcome: "none" });
    if (once) return this.#outbox.add(id, action, payload, timeoutMs, signal);
    const text = this.#textOf({ action, payload, id });
    if (this.#pending.isFull) throw new GodraError("queue_full", `Too many requests wait: ${action} was not sent`, { outcome: "none" });
    if (!this.#transmit(text)) throw notConnected(action);
    return this.#pending.add(id, action, timeoutMs ?? this.#settings.requestTimeoutMs, signal);
  }

  /** Measures a round trip to the server, in milliseconds. */
  async ping(options) {
    const sentAt = this.#env.now();
    const answer = await this.request("heartbeat", null, options);
    const now = this.#env.now();
    this.clock.answered(sentAt, now, answer?.now);
    return now - sentAt;
  }

  opened(welcome) {
    this.clock.begin(welcome.now, this.#env.now());
    // All that is sent again goes before what the game sends when it hears of the connection.
    this.#outbox.welcome(welcome);
  }

  /** The game has heard of the connection. */
  resume(intervalMs) {
    this.#latest.opened(intervalMs);
  }

  epochIs(epoch) {
    this.#outbox.epochIs(epoch);
  }

  lost(why) {
    this.clock.forget();
    this.#pending.fail(why);
    this.#outbox.lost();
    this.#latest.lost();
  }

  /** No connection will follow the one that was lost. */
  ended(why) {
    this.#outbox.fail(why);
  }

  /** An answer; gives back the error that nobody waited for, if it is one. */
  settle(message) {
    const error = message.type === "error" ? errorOfPayload(message.payload) : null;
    if (this.#outbox.settle(message, error)) return null;
    const action = this.#pending.settle(message, error);
    if (action === "heartbeat" && !error && isWhole(message.result?.seq)) this.#reached(message.result.seq);
    return action === undefined ? error : null;
  }

  /** The answer to one of them makes no sense. */
  fail(id, error) {
    this.#outbox.settle({ id }, error) || this.#pending.settle({ id }, error);
  }

  #textOf(input) {
    return textOf(input, this.#settings.maxMessageBytes);
  }
}

export function notConnected(action) {
  return new GodraError("disconnected", `Not connected: ${action} was not sent`, { outcome: "none" });
}
