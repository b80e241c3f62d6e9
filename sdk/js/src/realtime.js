// The WebSocket of one lobby with its reconnects.

import { Attempts } from "./attempts.js";
import { TOKEN_EXPIRED, comesBack } from "./close-codes.js";
import { Emitter } from "./emitter.js";
import { GodraError, cancelled, errorOfPayload } from "./errors.js";
import { Heartbeat } from "./heartbeat.js";
import { Link, socketUrl, webSocketClass } from "./link.js";
import { lobbyKey } from "./lobby.js";
import { Outbox } from "./outbox.js";
import { Pending } from "./pending.js";
import { Position } from "./position.js";
import { explain, isOfToken } from "./refusal.js";
import { withDefaults } from "./util.js";
import { onWake } from "./wake.js";

const DEFAULTS = {
  requestTimeoutMs: 10_000,
  connectTimeoutMs: 10_000,
  heartbeatMs: 20_000,
  maxBufferedBytes: 1 << 20,
  resume: true,
};

const RECONNECT_DEFAULTS = {
  firstDelayMs: 200,
  maxDelayMs: 20_000,
  maxRefusals: 5,
};

/** So soon a connection has to show that it lived through a sleep. */
const WAKE_LIMIT_MS = 3_000;

/** These names are the SDK's own: a script's event of the same name goes to `state_update` alone. */
const LIFECYCLE = new Set(["connected", "disconnected", "reconnecting", "state_update", "error"]);

/**
 * The WebSocket of one lobby at a time. A lost connection is made again, by itself, where its close code allows that.
 *
 * A `session` is what one `connect()` asked for; it lives through reconnects, and whatever belongs to a session that
 * is no longer `#session` is ignored. Its `phase`: `connecting` (a socket is on its way to the welcome), `open`,
 * `waiting` (for the next attempt).
 */
export class Realtime {
  #client;
  #http;
  #base;
  #options;
  #reconnect;
  #WebSocket;
  #emitter = new Emitter();
  #session = null;
  #nextId = 1;
  #latencyMs = null;

  constructor(client, http, base, options) {
    this.#client = client;
    this.#http = http;
    this.#base = base;
    this.#options = withDefaults(DEFAULTS, options);
    this.#reconnect = options.reconnect === false ? null : withDefaults(RECONNECT_DEFAULTS, options.reconnect);
    this.#WebSocket = options.WebSocket;
  }

  /** Whether inputs can be sent now. */
  get connected() {
    return this.#session?.phase === "open";
  }

  /** The last welcome's payload while connected, else null. */
  get welcome() {
    return this.connected ? this.#session.welcome : null;
  }

  /** The last measured round trip in milliseconds, or null. */
  get latencyMs() {
    return this.#latencyMs;
  }

  /**
   * Joins a lobby; resolves with the welcome's payload. A connection that is already there is closed first.
   * `token` may be a function that gives a (fresh) token: it is called again before every reconnect. Null, or the
   * session's own token, stands for the session's, refreshed when need be.
   */
  async connect(token, lobbyId) {
    const room = lobbyKey(lobbyId).slice("game:".length);
    this.close();
    const session = this.#newSession(token, room);
    this.#session = session;
    try {
      return await this.#dial(session);
    } catch (error) {
      if (this.#session === session) this.#end(session, "The connection could not be made");
      throw error;
    }
  }

  #newSession(token, room) {
    const session = {
      token: token == null || token === this.#client.auth.session?.token ? this.#tokenOfSession() : token,
      room,
      phase: "connecting",
      attempts: new Attempts(this.#reconnect),
      position: new Position(),
      pending: new Pending(),
      outbox: new Outbox({ send: (text) => this.#sendText(session, text) }),
      link: null,
      abandon: null,
      timer: null,
      heartbeat: null,
      usedToken: null,
      welcome: null,
      unwatch: onWake(() => this.#wake(session)),
    };
    return session;
  }

  // Without a refresh token there is nothing to refresh, and a token that has had its time is the end.
  #tokenOfSession() {
    const { auth, token } = this.#client;
    return auth.session?.refresh_token ? () => auth.freshToken() : token;
  }

  /** Calls `callback(payload, event)` for every event of that name; gives back a function that ends it. */
  on(name, callback) {
    return this.#emitter.on(name, callback);
  }

  /** Ends what `on` began; without a callback, for all callbacks of that name. */
  off(name, callback) {
    this.#emitter.off(name, callback);
  }

  /**
   * Sends an input and forgets it; only errors come back, as `error` events.
   * Gives false if it was not sent: not connected, or the network is far behind.
   */
  sendInput(action, payload = null) {
    return this.#sendText(this.#session, JSON.stringify({ action, payload }));
  }

  /**
   * Sends an input and resolves with what its script returned; rejects with the script's error. With `once` it waits for a
   * connection, and runs exactly once however often that is lost.
   */
  async request(action, payload = null, { timeoutMs, once = false } = {}) {
    const session = this.#session;
    const id = this.#nextId++;
    if (once && session) return session.outbox.add(id, action, payload, timeoutMs);
    if (!this.#sendText(session, JSON.stringify({ action, payload, id }))) {
      throw new GodraError("disconnected", `Not connected: ${action} was not sent`, { outcome: "none" });
    }
    return session.pending.add(id, action, timeoutMs ?? this.#options.requestTimeoutMs);
  }

  /** Measures a round trip to the server, in milliseconds. */
  async ping(options) {
    const startedAt = performance.now();
    await this.request("heartbeat", null, options);
    this.#latencyMs = performance.now() - startedAt;
    return this.#latencyMs;
  }

  /** Leaves: no reconnect follows. Does nothing when there is no connection. */
  close() {
    const session = this.#session;
    if (!session) return;
    const wasConnecting = session.phase === "connecting" && session.attempts.count === 0;
    this.#end(session, "The connection was closed");
    session.link?.end(1000, "closed by the client");
    session.abandon?.(cancelled());
    if (!wasConnecting) {
      this.#emitter.emit("disconnected", { code: 1000, reason: "closed by the client", willReconnect: false });
    }
  }

  #end(session, why) {
    this.#session = null;
    clearTimeout(session.timer);
    session.heartbeat?.stop();
    session.unwatch();
    session.pending.fail(why);
    session.outbox.lost();
    session.outbox.fail(why);
  }

  // One attempt: a socket, until its welcome or its failure.
  async #dial(session) {
    session.phase = "connecting";
    return new Promise((resolve, reject) => {
      // close() ends an attempt at any point, also while the token is being fetched.
      session.abandon = reject;
      this.#openLink(session).then(resolve, reject);
    }).finally(() => {
      session.abandon = null;
    });
  }

  async #openLink(session) {
    const token = typeof session.token === "function" ? await session.token() : session.token;
    if (session !== this.#session) throw cancelled();
    if (typeof token !== "string" || token === "") {
      throw new GodraError("unauthorized", "No token: call auth.guestLogin() or auth.login() first, or pass one");
    }
    this.#forgetOther(session, token);
    session.usedToken = token;
    const failure = await new Promise((resolve) => {
      session.link = new Link(webSocketClass(this.#WebSocket), this.#socketUrl(session), token, {
        timeoutMs: this.#options.connectTimeoutMs,
        message: (message) => this.#receive(session, message, resolve),
        malformed: (reason) => this.#emitter.emit("error", new GodraError("bad_message", reason)),
        ended: (end) => (session.phase === "open" ? this.#lost(session, end) : resolve(end)),
      });
    });
    if (failure === null) return session.welcome;
    if (session !== this.#session) throw cancelled();
    throw await explain(failure, this.#http);
  }

  // What one player has seen is not what another may see.
  #forgetOther({ position, welcome }, token) {
    const user = this.#client.auth.userOf(token);
    if (user !== undefined && user !== welcome?.user_id) position.forget();
  }

  #socketUrl({ room, position }) {
    return socketUrl(this.#base, { game_id: room, ...(this.#options.resume ? position.resume : null) });
  }

  #receive(session, message, welcomed) {
    if (session !== this.#session) return;
    if (message.type === "batch" && Array.isArray(message.events)) {
      for (const event of message.events) this.#receive(session, event ?? {}, welcomed);
    } else if (typeof message.type !== "string") {
      this.#emitter.emit("error", new GodraError("bad_message", "The server sent a message without a type"));
    } else if (message.type === "reply" || message.type === "error") {
      this.#settle(session, message);
    } else if (message.type === "welcome" && session.phase !== "open") {
      this.#welcome(session, message, welcomed);
    } else if (session.phase === "open") {
      this.#event(session, message);
    } else {
      this.#emitter.emit("error", new GodraError("bad_message", `The server sent ${message.type} before its welcome`));
    }
  }

  #welcome(session, message, welcomed) {
    const payload = message.payload ?? {};
    session.phase = "open";
    session.attempts.opened(performance.now());
    session.welcome = payload;
    session.link.welcomed();
    session.position.welcome(payload);
    session.heartbeat = this.#heartbeat(session.link);
    session.heartbeat.start();
    welcomed(null);
    // Before the game hears of the connection, so that all that it sends then comes behind.
    session.outbox.welcome(payload);
    this.#emitter.emit("connected", payload, message);
    if (session === this.#session) this.#deliver(message);
  }

  #event(session, event) {
    const isSnapshot = event.type === "snapshot";
    if (isSnapshot) session.position.snapshot(event);
    else if (!session.position.event(event)) return;
    if (isSnapshot && event.epoch !== undefined) session.outbox.epochIs(event.epoch);
    this.#deliver(event);
  }

  #deliver(event) {
    if (!LIFECYCLE.has(event.type)) this.#emitter.emit(event.type, event.payload, event);
    this.#emitter.emit("state_update", event, event);
  }

  #settle(session, message) {
    const error = message.type === "error" ? errorOfPayload(message.payload) : null;
    if (session.outbox.settle(message, error)) return;
    const action = session.pending.settle(message, error);
    if (action === "heartbeat") session.position.reached(message.result?.seq);
    else if (error && action === undefined) this.#emitter.emit("error", error, message);
  }

  #sendText(session, text) {
    return session?.phase === "open" && session.link.send(text, this.#options.maxBufferedBytes);
  }

  #heartbeat(link) {
    return new Heartbeat({
      ping: (options) => this.ping(options),
      heardAt: () => link.receivedAt,
      died: () => link.end(1006, "no answer to a heartbeat"),
      everyMs: this.#options.heartbeatMs,
    });
  }

  // The network is back, or the page: what was known of the connection may be old.
  #wake(session) {
    if (session.phase === "open") {
      session.heartbeat.check(WAKE_LIMIT_MS);
    } else if (session.phase === "waiting") {
      clearTimeout(session.timer);
      session.attempts.restart(performance.now());
      this.#retry(session);
    }
  }

  #lost(session, { code, reason }) {
    if (session !== this.#session) return;
    session.heartbeat.stop();
    session.attempts.lost(performance.now());
    if (code === TOKEN_EXPIRED) this.#client.auth.distrust(session.usedToken);
    const willReconnect = this.#comesBack(session, code);
    const why = `The connection was lost (${code}${reason ? `: ${reason}` : ""})`;
    if (!willReconnect) this.#end(session, why);
    session.pending.fail(why);
    session.outbox.lost();
    const reconnecting = willReconnect && this.#retryLater(session, code);
    this.#emitter.emit("disconnected", { code, reason, willReconnect });
    if (session === this.#session) this.#emitter.emit("reconnecting", reconnecting);
  }

  #comesBack(session, code) {
    if (!this.#reconnect || !comesBack(code)) return false;
    // The server says that this token has had its time: only a function can give another.
    return code !== TOKEN_EXPIRED || typeof session.token === "function";
  }

  #retryLater(session, code, retryAfterS) {
    session.phase = "waiting";
    const reconnecting = session.attempts.next(performance.now(), code, retryAfterS);
    session.timer = setTimeout(() => this.#retry(session), reconnecting.delayMs);
    return reconnecting;
  }

  async #retry(session) {
    try {
      await this.#dial(session);
    } catch (error) {
      if (session === this.#session) this.#retryFailed(session, error);
    }
  }

  #retryFailed(session, error) {
    const code = error.closeCode ?? 1006;
    session.attempts.failed(error);
    const hopeless = isOfToken(error) && typeof session.token !== "function";
    if (!hopeless && !session.attempts.areRefused && (error.code !== "closed" || this.#comesBack(session, code))) {
      this.#emitter.emit("reconnecting", this.#retryLater(session, code, error.retryAfter));
      return;
    }
    this.#end(session, error.message);
    this.#emitter.emit("error", error);
    this.#emitter.emit("disconnected", { code, reason: error.message, willReconnect: false });
  }
}
