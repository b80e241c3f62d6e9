// One lobby, over all its connections: what the game sees of it, and what the server's messages do to that.

import { Connection } from "./connection.js";
import { GodraError } from "./errors.js";
import { Inputs, notConnected } from "./inputs.js";
import { Listeners } from "./listeners.js";
import { bad, messagesOf } from "./message.js";
import { Replica } from "./replica.js";

/** The server takes no more of them. */
const RESYNC_EVERY_MS = 1_000;

/** A lobby that this client is in, or on its way to. Made by `client.join` and `client.createRoom`. */
export class Room {
  #id;
  #env;
  #settings;
  #connection;
  #replica;
  #inputs;
  #listeners;
  #welcome = null;
  #resyncAt = -Infinity;
  #cancelResync = null;
  #warned = new Set();
  #stats = { reconnects: 0, events: 0, framesReceived: 0, framesSent: 0, bytesReceived: 0, bytesSent: 0, droppedInputs: 0, droppedEvents: 0, badMessages: 0 };

  /** The room, and the connection, by which its client joins and ends it. */
  static open(id, { settings, tokens, env, left }) {
    const connection = new Connection({ settings, tokens, env, left });
    return { connection, room: new Room(id, connection, { settings, env }) };
  }

  constructor(id, connection, { settings, env }) {
    this.#id = id;
    this.#connection = connection;
    this.#settings = settings;
    this.#env = env;
    this.#listeners = new Listeners(settings.onHandlerError, env.later);
    this.#replica = new Replica(settings.onHandlerError);
    this.#inputs = new Inputs(env, settings, { transmit: (text) => this.#transmit(text), reached: (seq) => this.#replica.reached(seq) });
    connection.serve({
      query: (user) => this.#query(user),
      received: (data) => this.#received(data),
      ping: (options) => this.ping(options),
      lost: (why) => this.#lost(why),
      over: (why) => {
        this.#lost(why);
        this.#inputs.ended(why);
      },
      tell: (name, payload) => this.#listeners.tell(name, payload),
      ended: () => this.#listeners.ended(),
      log: (...entry) => this.#log(...entry),
    });
  }

  /** The lobby's id, without `game:`. */
  get id() {
    return this.#id;
  }

  get connection() {
    return this.#connection.state;
  }

  get state() {
    return this.#replica.state;
  }

  /** The last one's payload; null before the first. */
  get welcome() {
    return this.#welcome;
  }

  get me() {
    const { user_id: userId, username, role } = this.#welcome ?? {};
    return { userId, username, role };
  }

  get syncInterval() {
    return this.#welcome?.sync_interval_ms ?? null;
  }

  get latencyMs() {
    return this.#inputs.clock.latencyMs;
  }

  /** The server's clock, in milliseconds since 1970; null while there is no connection. */
  serverTime() {
    return this.#inputs.clock.at(this.#env.now());
  }

  stats() {
    return { ...this.#stats };
  }

  on(name, callback, options) {
    return this.#listeners.on(name, callback, options);
  }

  off(name, callback) {
    this.#listeners.off(name, callback);
  }

  onEvent(name, callback, options) {
    return this.#listeners.onEvent(name, callback, options);
  }

  onChange(callback, options) {
    return this.#listeners.on("change", callback, options);
  }

  async next(name, options) {
    if (this.connection === "left") throw notConnected(name);
    return this.#listeners.next(name, options);
  }

  events() {
    return this.#listeners.events();
  }

  reduce(reducers) {
    this.#replica.reduce(reducers);
    return this;
  }

  send(action, payload) {
    return this.#inputs.send(action, payload);
  }

  sendLatest(action, payload, key) {
    if (this.connection !== "left") this.#inputs.sendLatest(action, payload, key);
  }

  async request(action, payload, options) {
    if (this.connection === "left") throw notConnected(action);
    return this.#inputs.request(action, payload, options);
  }

  async ping(options) {
    return this.#inputs.ping(options);
  }

  /** Ends the membership, and the connection. */
  leave() {
    return this.#connection.leave(this.#env.leaveLobby);
  }

  /** Ends the connection: no reconnect follows. */
  close() {
    this.#connection.end(null);
  }

  checkNow() {
    this.#connection.checkNow();
  }

  #query(user) {
    if (user !== undefined && user !== this.#welcome?.user_id) this.#replica.forget();
    return { game_id: this.#id, ...(this.#settings.resume ? this.#replica.resume : null) };
  }

  #received(data) {
    const { attempt } = this.#connection;
    const { version } = this.#replica;
    this.#stats.framesReceived += 1;
    this.#stats.bytesReceived += data.length ?? data.byteLength;
    for (const message of messagesOf(data)) {
      this.#message(message);
      // A handler may have left.
      if (attempt !== this.#connection.attempt) return;
    }
    if (this.#replica.version !== version) this.#listeners.tell("change", this.state);
  }

  #message(message) {
    const { isJoined, attempt } = this.#connection;
    const { type } = message;
    if (message instanceof GodraError) {
      this.#bad(message);
      if (isJoined) this.#resync();
    } else if (type === "welcome" && !isJoined) {
      this.#welcomed(message);
    } else if (!isJoined && type === "error" && Number.isInteger(message.payload.status)) {
      attempt.refusal = message.payload;
    } else if (!isJoined || type === "welcome") {
      this.#bad(bad(`The server sent a ${type} ${isJoined ? "a second time" : "before its welcome"}`, message));
    } else if (type === "reply" || type === "error") {
      this.#settle(message);
    } else {
      this.#event(message);
    }
  }

  #welcomed(message) {
    const payload = { username: "", role: "guest", game_id: this.#id, recovered: false, state: null, sync_interval_ms: 50, ...message.payload };
    const { attempt } = this.#connection;
    this.#welcome = payload;
    this.#replica.welcome(payload);
    if (!this.#connection.welcomed()) this.#stats.reconnects += 1;
    this.#log("info", "joined the room", { recovered: payload.recovered, seq: payload.seq });
    this.#inputs.opened(payload);
    this.#listeners.tell("connected", payload, { ...message, payload });
    if (attempt === this.#connection.attempt) this.#inputs.resume(payload.sync_interval_ms);
  }

  #event(event) {
    if (event.type === "snapshot") {
      this.#replica.snapshot(event);
      if (event.epoch !== undefined) this.#inputs.epochIs(event.epoch);
      this.#listeners.tell("snapshot", event.payload, event);
    } else if (this.#replica.event(event)) {
      this.#stats.events += 1;
      this.#listeners.event(event);
    } else {
      this.#stats.droppedEvents += 1;
    }
  }

  #settle(message) {
    const error = this.#inputs.settle(message);
    // What a request failed with that nobody awaits any more is of no interest.
    if (error && (message.id === undefined || this.#settings.isCompat)) this.#report(error, message);
  }

  #bad(error) {
    this.#stats.badMessages += 1;
    const { type, id } = error.details ?? {};
    if (type === "reply" || type === "error") this.#inputs.fail(id, error);
    this.#report(error);
  }

  /** Asks for the whole state, as something was lost that may have been an event. */
  #resync() {
    this.#replica.doubt();
    const waitMs = this.#resyncAt + RESYNC_EVERY_MS - this.#env.now();
    if (waitMs <= 0) this.#askForState();
    else this.#cancelResync ??= this.#env.later(() => this.#askForState(), waitMs);
  }

  #askForState() {
    this.#cancelResync = null;
    this.#resyncAt = this.#env.now();
    this.#inputs.request("resync").catch(() => {});
  }

  #lost(why) {
    this.#cancelResync?.();
    this.#cancelResync = null;
    this.#inputs.lost(why);
  }

  #transmit(text) {
    const isSent = this.#connection.send(text);
    if (isSent) {
      this.#stats.framesSent += 1;
      this.#stats.bytesSent += text.length;
    } else {
      this.#stats.droppedInputs += 1;
    }
    return isSent;
  }

  /** An error that nobody awaits. Where nobody listens it is logged, once for each code. */
  #report(error, message) {
    if (this.#listeners.tell("error", error, message) || this.#warned.has(error.code)) return;
    this.#warned.add(error.code);
    this.#log("warn", `${error.code}: ${error.message}`, {});
  }

  #log(level, message, fields) {
    this.#settings.logger(level, message, { room: this.#id, ...fields });
  }
}
