// One lobby, over all its connections: what state that is in, and what follows from what happens. The life of a client's room in
// sdk/PROTOCOL.md is this file's plan. No socket, clock and chance of its own: `env` has them.

import { Attempts } from "./attempts.js";
import { TOKEN_EXPIRED, comesBack } from "./close-codes.js";
import { GodraError, cancelled, errorOfClose } from "./errors.js";
import { Heartbeat } from "./heartbeat.js";
import { Inputs, notConnected } from "./inputs.js";
import { Listeners } from "./listeners.js";
import { bad, messagesOf } from "./message.js";
import { explain, isFinal, isOfToken } from "./refusal.js";
import { Replica } from "./replica.js";

/** So soon a connection has to show that it lived through a sleep. */
const WAKE_LIMIT_MS = 3_000;
/** The server takes no more of them. */
const RESYNC_EVERY_MS = 1_000;
/** The seat is kept for who closes so. */
const COMES_BACK = 4000;
const CLOSED = "closed by the client";

/** A lobby that this client is in, or on its way to. Made by `client.join` and `client.createRoom`. */
export class Room {
  /** The lobby's id, without `game:`. */
  id;
  #env;
  #settings;
  #tokens;
  #left;
  #connection = "joining";
  /** Resolve and reject the promise of `join`. */
  #joining;
  /** The connection, or the attempt at one: `{token, link, refusal}`. What another one reports is of no interest. */
  #attempt = null;
  #attempts;
  #replica;
  #inputs;
  #listeners;
  #heartbeat;
  #welcome = null;
  #receivedAt = 0;
  /** Whether the token was renewed since the last welcome. */
  #isRenewed = false;
  #isLeaving = false;
  /** The network came back, or the page, during an attempt: if that fails, the next one comes at once. */
  #isWoken = false;
  /** How the outage began. */
  #firstEnd = null;
  /** What `reconnecting` told of the attempt that is waited for. */
  #waiting = null;
  #resyncAt = -Infinity;
  /** By purpose: what ends a timer. */
  #timers = new Map();
  #unwatch;
  #warned = new Set();
  #stats = { reconnects: 0, events: 0, framesReceived: 0, framesSent: 0, bytesReceived: 0, bytesSent: 0, droppedInputs: 0, droppedEvents: 0, badMessages: 0 };

  /**
   * `tokens`: `get()` gives one; `renew(token, why)` says whether another can be had in the place of that; `over(why)` is told when
   * not, and gives the error that says so; `userOf(token)`. `left()` is called when the room's life is over.
   */
  constructor(id, { settings, tokens, env, left }) {
    this.id = id;
    this.#settings = settings;
    this.#tokens = tokens;
    this.#env = env;
    this.#left = left;
    this.#attempts = new Attempts(settings.reconnect, env.random);
    this.#listeners = new Listeners(settings.onHandlerError, env.later);
    this.#replica = new Replica(settings.onHandlerError);
    this.#inputs = new Inputs(env, settings, { transmit: (text) => this.#transmit(text), reached: (seq) => this.#replica.reached(seq) });
    this.#heartbeat = new Heartbeat(env, {
      ping: (options) => this.ping(options),
      heardAt: () => this.#receivedAt,
      died: () => this.#giveUp("no answer to a heartbeat"),
      everyMs: settings.heartbeatMs,
    });
    this.#unwatch = env.onWake(() => this.checkNow());
  }

  get connection() {
    return this.#connection;
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

  next(name, options) {
    return this.#connection === "left" ? Promise.reject(notConnected(name)) : this.#listeners.next(name, options);
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
    if (this.#connection !== "left") this.#inputs.sendLatest(action, payload, key);
  }

  async request(action, payload, options) {
    if (this.#connection === "left") throw notConnected(action);
    return this.#inputs.request(action, payload, options);
  }

  ping(options) {
    return this.#inputs.ping(options);
  }

  /** Ends the membership, and the connection. */
  async leave() {
    this.#isLeaving = true;
    try {
      await this.#env.leaveLobby(this.id);
    } finally {
      this.close();
    }
  }

  /** Ends the connection: no reconnect follows. */
  close() {
    this.end(null);
  }

  /** The network is back, or the page, or the app: what was known of the connection may be old. */
  checkNow() {
    if (this.#connection === "joined") {
      this.#heartbeat.check(WAKE_LIMIT_MS);
    } else if (this.#waiting && !this.#env.isOffline()) {
      const now = this.#env.now();
      this.#attempts.restart(now);
      const waiting = (this.#waiting = { ...this.#attempts.next(now), delayMs: 0 });
      this.#listeners.tell("reconnecting", waiting);
      if (this.#waiting === waiting) this.#retry();
    } else {
      this.#isWoken = true;
    }
  }

  /** Joins; resolves when the welcome is there. */
  join() {
    return new Promise((resolve, reject) => {
      this.#joining = { resolve, reject };
      this.#dial();
    });
  }

  /** Ends its life; `cause` is why, and what all that waits fails with. Null where the game itself wants it. */
  end(cause, { code, reason } = this.#endByDefault(cause)) {
    if (this.#connection === "left") return;
    const isJoining = this.#connection === "joining";
    const link = this.#attempt?.link;
    const why = cause?.message ?? "The room was closed";
    this.#connection = "left";
    this.#disconnect();
    this.#unwatch();
    this.#inputs.ended(why);
    link?.end(1000, CLOSED);
    this.#left();
    this.#log("info", "left the room", { code, reason });
    if (isJoining) this.#joining.reject(cause ?? cancelled());
    else this.#listeners.tell("disconnected", { code, reason, willReconnect: false, cause });
    this.#listeners.ended();
  }

  #endByDefault(cause) {
    return (this.#connection === "rejoining" && cause && this.#firstEnd) || { code: 1000, reason: cause?.message ?? CLOSED };
  }

  // One attempt: from the token to the welcome.
  async #dial() {
    const attempt = { token: null, link: null, refusal: null };
    this.#attempt = attempt;
    this.#after("welcome", this.#settings.connectTimeoutMs, () => this.#timedOut());
    let token;
    try {
      token = await this.#tokens.get();
      if (typeof token !== "string" || token === "") {
        throw new GodraError("unauthorized", "No token: call auth.ensure(), auth.guestLogin() or auth.login() first, or pass one");
      }
    } catch (error) {
      if (attempt === this.#attempt) this.#failed(error, false);
      return;
    }
    if (attempt !== this.#attempt) return;
    attempt.token = token;
    try {
      this.#open(attempt);
    } catch (error) {
      this.#failed(error);
    }
  }

  #open(attempt) {
    const user = this.#tokens.userOf(attempt.token);
    if (user !== undefined && user !== this.#welcome?.user_id) this.#replica.forget();
    const readable = this.#settings.isCompat && this.#connection === "joining" ? null : { refuse: "close" };
    const query = { game_id: this.id, ...readable, ...(this.#settings.resume ? this.#replica.resume : null) };
    attempt.link = this.#env.open(attempt.token, query, {
      received: (data) => this.#received(attempt, data),
      ended: (end) => attempt === this.#attempt && this.#ended(attempt, end),
    });
  }

  async #ended(attempt, end) {
    if (this.#connection === "joined") {
      this.#lost(end);
      return;
    }
    this.#clear("welcome");
    const error = await explain(end, attempt.refusal, this.#env);
    if (attempt === this.#attempt) this.#failed(error);
  }

  #received(attempt, data) {
    if (attempt !== this.#attempt) return;
    this.#receivedAt = this.#env.now();
    this.#stats.framesReceived += 1;
    this.#stats.bytesReceived += data.length ?? data.byteLength;
    const { version } = this.#replica;
    for (const message of messagesOf(data)) {
      this.#message(attempt, message);
      // A handler may have left.
      if (attempt !== this.#attempt) return;
    }
    if (this.#replica.version !== version) this.#listeners.tell("change", this.state);
  }

  #message(attempt, message) {
    const isJoined = this.#connection === "joined";
    const { type } = message;
    if (message instanceof GodraError) {
      this.#bad(message);
      if (isJoined) this.#resync();
    } else if (type === "welcome" && !isJoined) {
      this.#welcomed(message);
    } else if (!isJoined && type === "error" && Number.isInteger(message.payload?.status)) {
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
    const payload = { username: "", role: "guest", game_id: this.id, recovered: false, state: null, sync_interval_ms: 50, ...message.payload };
    const joining = this.#connection === "joining" ? this.#joining : null;
    this.#clear("welcome");
    this.#connection = "joined";
    this.#isRenewed = false;
    this.#welcome = payload;
    this.#attempts.opened(this.#env.now());
    this.#replica.welcome(payload);
    this.#heartbeat.start();
    this.#stats.reconnects += joining ? 0 : 1;
    this.#log("info", "joined the room", { recovered: payload.recovered, seq: payload.seq });
    joining?.resolve(this);
    const attempt = this.#attempt;
    this.#inputs.opened(payload);
    this.#listeners.tell("connected", payload, message);
    if (attempt === this.#attempt) this.#inputs.resume(payload.sync_interval_ms);
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
    if (this.#timers.has("resync")) return;
    const ask = () => {
      this.#clear("resync");
      this.#resyncAt = this.#env.now();
      this.#inputs.request("resync").catch(() => {});
    };
    const waitMs = this.#resyncAt + RESYNC_EVERY_MS - this.#env.now();
    if (waitMs <= 0) ask();
    else this.#after("resync", waitMs, ask);
  }

  #transmit(text) {
    const isSent = this.#connection === "joined" && this.#attempt.link.send(text, this.#settings.maxBufferedBytes);
    if (isSent) {
      this.#stats.framesSent += 1;
      this.#stats.bytesSent += text.length;
    } else {
      this.#stats.droppedInputs += 1;
    }
    return isSent;
  }

  #giveUp(reason) {
    this.#attempt.link.end(COMES_BACK, reason);
    this.#lost({ code: 1006, reason });
  }

  #timedOut() {
    const message = `No welcome from the server within ${this.#settings.connectTimeoutMs} ms`;
    const isFirst = this.#connection === "joining";
    this.#attempt.link?.end(isFirst ? 1000 : COMES_BACK, message);
    this.#failed(new GodraError("timeout", message));
  }

  #lost(end) {
    const { code, reason } = end;
    const { token } = this.#attempt;
    const cause = errorOfClose(end);
    this.#attempts.lost(this.#env.now());
    if (this.#attempts.count === 0 || !comesBack(code)) this.#firstEnd = end;
    this.#connection = "rejoining";
    this.#disconnect();
    this.#inputs.lost(cause.message);
    if (this.#isLeaving) {
      this.close();
    } else if (!this.#settings.reconnect || !comesBack(code)) {
      this.end(cause, end);
    } else if (code === TOKEN_EXPIRED && !this.#tokens.renew(token, cause)) {
      this.#over(cause, end);
    } else {
      // The time until the attempt is enough for a refresh.
      if (code === TOKEN_EXPIRED) this.#tokens.prepare();
      this.#log("info", "lost the connection", { code, reason });
      const waiting = this.#retryLater(code);
      this.#listeners.tell("disconnected", { code, reason, willReconnect: true, cause });
      if (this.#waiting === waiting) this.#listeners.tell("reconnecting", waiting);
    }
  }

  // An attempt came to nothing. The fault may be in getting a token for it.
  #failed(error, isOfServer = true) {
    const { token } = this.#attempt;
    const isClosed = error.code === "disconnected" && !comesBack(error.closeCode);
    this.#disconnect();
    if (isOfServer && isOfToken(error)) {
      this.#refusedToken(token, error);
    } else if (this.#connection === "joining") {
      this.end(error);
    } else {
      this.#attempts.failed(error);
      if (isClosed) this.#firstEnd = { code: error.closeCode, reason: error.closeReason };
      if (isClosed || (isOfServer && isFinal(error) && this.#attempts.areRefused)) this.end(error);
      else this.#againAfter(error);
    }
  }

  #againAfter(error) {
    const waiting = this.#retryLater(error.closeCode, error.retryAfter);
    if (this.#isWoken) this.checkNow();
    else this.#listeners.tell("reconnecting", waiting);
  }

  #refusedToken(token, error) {
    if (this.#isRenewed || !this.#tokens.renew(token, error)) {
      this.#over(error);
    } else {
      this.#isRenewed = true;
      this.#dial();
    }
  }

  // No other token can be had. With the session all its rooms end.
  #over(error, end) {
    if (end) this.#firstEnd = end;
    this.end(this.#tokens.over(error) ?? error);
  }

  #retryLater(closeCode, retryAfterS) {
    this.#waiting = this.#attempts.next(this.#env.now(), closeCode, retryAfterS);
    this.#after("retry", this.#waiting.delayMs, () => this.#env.isOffline() || this.#retry());
    return this.#waiting;
  }

  #retry() {
    this.#waiting = null;
    this.#isWoken = false;
    this.#clear("retry");
    this.#dial();
  }

  #disconnect() {
    this.#attempt = null;
    this.#waiting = null;
    for (const purpose of [...this.#timers.keys()]) this.#clear(purpose);
    this.#heartbeat.stop();
  }

  #after(purpose, delayMs, run) {
    this.#timers.set(purpose, this.#env.later(run, delayMs));
  }

  #clear(purpose) {
    this.#timers.get(purpose)?.();
    this.#timers.delete(purpose);
  }

  /** An error that nobody awaits. Where nobody listens it is logged, once for each code. */
  #report(error, message) {
    if (this.#listeners.tell("error", error, message) || this.#warned.has(error.code)) return;
    this.#warned.add(error.code);
    this.#log("warn", `${error.code}: ${error.message}`, {});
  }

  #log(level, message, fields) {
    this.#settings.logger(level, message, { room: this.id, ...fields });
  }
}
