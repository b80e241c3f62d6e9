// The WebSocket of one lobby with its reconnects.

import { GOING_AWAY, TOKEN_EXPIRED, comesBack } from "./close-codes.js";
import { GodraError, cancelled, codeOfStatus, errorOfPayload } from "./errors.js";
import { Link } from "./link.js";
import { lobbyKey } from "./lobby.js";
import { reportLater, withDefaults } from "./util.js";

const DEFAULTS = {
  requestTimeoutMs: 10_000,
  connectTimeoutMs: 10_000,
  heartbeatMs: 20_000,
  maxBufferedBytes: 1 << 20,
};

const RECONNECT_DEFAULTS = {
  firstDelayMs: 500,
  maxDelayMs: 15_000,
  // A server that is up and says no will rarely change its mind: the lobby is gone, or full.
  maxRefusals: 4,
};

/** These names are the SDK's own: a script's event of the same name goes to `state_update` alone. */
const LIFECYCLE = new Set(["connected", "disconnected", "reconnecting", "state_update", "error"]);

/** A connection that held this long was a good one: the delays begin from the start again. */
const STABLE_MS = 5_000;
const REFUSALS = new Set(["refused", "unauthorized", "forbidden", "bad_request", "not_found", "conflict"]);
const REFUSED =
  "The server is up, but refused the WebSocket. Browsers do not say why: the token may have expired, or the lobby is full or does not exist. lobby.joinLobby() tells the reason";
const HINTS = {
  401: ": the token is not valid (any more)",
  403: ": the lobby is full or does not exist, or its script said no",
  503: ": it is full, or stopping",
};

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
  #listeners = new Map();
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
    const session = {
      token: token == null || token === this.#client.auth.session?.token ? this.#tokenOfSession() : token,
      room,
      phase: "connecting",
      attempts: 0,
      refusals: 0,
      pending: new Map(),
      link: null,
      abandon: null,
      timer: null,
      openedAt: 0,
      usedToken: null,
      welcome: null,
    };
    this.#session = session;
    try {
      return await this.#dial(session);
    } catch (error) {
      if (this.#session === session) this.#session = null;
      throw error;
    }
  }

  // Without a refresh token there is nothing to refresh, and a token that has had its time is the end.
  #tokenOfSession() {
    const { auth, token } = this.#client;
    return auth.session?.refresh_token ? () => auth.freshToken() : token;
  }

  /** Calls `callback(payload, event)` for every event of that name; gives back a function that ends it. */
  on(name, callback) {
    if (typeof callback !== "function") throw new TypeError("on(event, callback): the callback is not a function");
    const callbacks = this.#listeners.get(name) ?? [];
    // A new array each time, so that a delivery under way is not disturbed.
    this.#listeners.set(name, [...callbacks, callback]);
    return () => this.off(name, callback);
  }

  /** Ends what `on` began; without a callback, for all callbacks of that name. */
  off(name, callback) {
    const callbacks = this.#listeners.get(name) ?? [];
    const index = callback === undefined ? -1 : callbacks.indexOf(callback);
    if (callback === undefined) this.#listeners.delete(name);
    else if (index >= 0) this.#listeners.set(name, callbacks.filter((_, at) => at !== index));
  }

  /**
   * Sends an input and forgets it; only errors come back, as `error` events.
   * Gives false if it was not sent: not connected, or the network is far behind.
   */
  sendInput(action, payload = null) {
    return this.#send(this.#session, { action, payload });
  }

  /** Sends an input and resolves with what its script returned; rejects with the script's error. */
  request(action, payload = null, { timeoutMs = this.#options.requestTimeoutMs } = {}) {
    return new Promise((resolve, reject) => {
      const session = this.#session;
      const id = this.#nextId++;
      if (!this.#send(session, { action, payload, id })) {
        reject(new GodraError("disconnected", `Not connected: ${action} was not sent`));
        return;
      }
      const timer = setTimeout(() => {
        session.pending.delete(id);
        reject(new GodraError("timeout", `No reply to ${action} within ${timeoutMs} ms`));
      }, timeoutMs);
      session.pending.set(id, { resolve, reject, timer });
    });
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
    this.#session = null;
    clearTimeout(session.timer);
    const wasConnecting = session.phase === "connecting" && session.attempts === 0;
    session.link?.end(1000, "closed by the client");
    session.abandon?.(cancelled());
    rejectAll(session, "The connection was closed");
    if (!wasConnecting) {
      this.#emit("disconnected", { code: 1000, reason: "closed by the client", willReconnect: false });
    }
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
    session.usedToken = token;
    const failure = await new Promise((resolve) => {
      session.link = new Link(this.#webSocketClass(), this.#socketUrl(session.room), token, {
        timeoutMs: this.#options.connectTimeoutMs,
        message: (message) => this.#receive(session, message, resolve),
        malformed: (reason) => this.#emit("error", new GodraError("bad_message", reason)),
        ended: (end) => (session.phase === "open" ? this.#lost(session, end) : resolve(end)),
      });
    });
    if (failure === null) return session.welcome;
    if (session !== this.#session) throw cancelled();
    throw await this.#explain(failure);
  }

  #webSocketClass() {
    const found = this.#WebSocket ?? globalThis.WebSocket;
    if (found) return found;
    throw new GodraError(
      "no_websocket",
      "This runtime has no WebSocket. Pass one: new GodraClient(url, { WebSocket }), with `import WebSocket from \"ws\"`, or use Node 22 or later",
    );
  }

  #socketUrl(room) {
    const url = new URL("ws", this.#base);
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    url.searchParams.set("game_id", room);
    return url;
  }

  // Browsers hide the answer to a refused WebSocket, so what can be known is asked for by other ways.
  async #explain({ code, reason, opened, timedOut }) {
    const closeCode = code;
    if (timedOut) return new GodraError("timeout", reason, { closeCode });
    if (opened) {
      const why = reason ? `: ${reason}` : "";
      return new GodraError("closed", `The server closed the connection before its welcome (${code}${why})`, { closeCode });
    }
    // The package `ws` does tell: "Unexpected server response: 403".
    const status = Number(/response: (\d{3})/.exec(reason)?.[1]) || undefined;
    if (status) {
      const message = `The server refused the WebSocket with HTTP status ${status}${HINTS[status] ?? ""}`;
      return new GodraError(codeOfStatus(status), message, { status, closeCode });
    }
    const ready = await this.#http.isReady();
    if (ready) return new GodraError("refused", REFUSED, { closeCode });
    return new GodraError("unavailable", "The server cannot be reached, or is not ready", { closeCode });
  }

  #receive(session, message, welcomed) {
    if (session !== this.#session) return;
    if (message.type === "batch" && Array.isArray(message.events)) {
      for (const event of message.events) this.#receive(session, event ?? {}, welcomed);
    } else if (typeof message.type !== "string") {
      this.#emit("error", new GodraError("bad_message", "The server sent a message without a type"));
    } else if (message.type === "reply" || message.type === "error") {
      this.#settle(session, message);
    } else if (message.type === "welcome" && session.phase !== "open") {
      this.#welcome(session, message, welcomed);
    } else if (session.phase === "open") {
      this.#deliver(message);
    } else {
      this.#emit("error", new GodraError("bad_message", `The server sent ${message.type} before its welcome`));
    }
  }

  #welcome(session, message, welcomed) {
    session.phase = "open";
    session.openedAt = performance.now();
    session.refusals = 0;
    session.welcome = message.payload;
    session.link.welcomed();
    this.#beatHeart(session, session.link);
    welcomed(null);
    this.#emit("connected", message.payload, message);
    if (session === this.#session) this.#deliver(message);
  }

  #deliver(event) {
    if (!LIFECYCLE.has(event.type)) this.#emit(event.type, event.payload, event);
    this.#emit("state_update", event, event);
  }

  #settle(session, message) {
    const waiting = session.pending.get(message.id);
    const error = message.type === "error" ? errorOfPayload(message.payload) : null;
    if (waiting) {
      session.pending.delete(message.id);
      clearTimeout(waiting.timer);
      if (error) waiting.reject(error);
      else waiting.resolve(message.result);
    } else if (error) {
      this.#emit("error", error, message);
    }
  }

  #send(session, message) {
    if (session?.phase !== "open") return false;
    return session.link.send(JSON.stringify(message), this.#options.maxBufferedBytes);
  }

  // A network that vanishes tells nobody: without an answer in time the connection counts as lost.
  #beatHeart(session, link) {
    if (!this.#options.heartbeatMs) return;
    session.timer = setTimeout(async () => {
      const sentAt = performance.now();
      const answered = await this.ping().then(
        () => true,
        (error) => error.code !== "timeout",
      );
      if (session !== this.#session || session.link !== link || session.phase !== "open") return;
      if (answered || link.receivedAt > sentAt) this.#beatHeart(session, link);
      else link.end(1006, "no answer to a heartbeat");
    }, this.#options.heartbeatMs);
  }

  #lost(session, { code, reason }) {
    if (session !== this.#session) return;
    clearTimeout(session.timer);
    const stayed = performance.now() - session.openedAt;
    if (code === TOKEN_EXPIRED) this.#client.auth.distrust(session.usedToken);
    if (stayed > STABLE_MS) session.attempts = 0;
    const willReconnect = this.#comesBack(session, code);
    if (willReconnect) this.#retryLater(session, code);
    else this.#session = null;
    rejectAll(session, `The connection was lost (${code}${reason ? `: ${reason}` : ""})`);
    this.#emit("disconnected", { code, reason, willReconnect });
    if (session === this.#session) this.#announceRetry(session);
  }

  #comesBack(session, code) {
    if (!this.#reconnect || !comesBack(code)) return false;
    // The server says that this token has had its time: only a function can give another.
    return code !== TOKEN_EXPIRED || typeof session.token === "function";
  }

  #retryLater(session, code) {
    session.phase = "waiting";
    session.attempts += 1;
    const { firstDelayMs, maxDelayMs } = this.#reconnect;
    // After a shutdown everybody comes back at once: those wait longer, over a wider span.
    const doublings = session.attempts - 1 + (code === GOING_AWAY ? 2 : 0);
    const ceilingMs = Math.min(maxDelayMs, firstDelayMs * 2 ** Math.min(doublings, 30));
    session.delayMs = ceilingMs * (0.5 + Math.random() / 2);
    session.timer = setTimeout(() => this.#retry(session), session.delayMs);
  }

  #announceRetry(session) {
    this.#emit("reconnecting", { attempt: session.attempts, delayMs: session.delayMs });
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
    const refused = REFUSALS.has(error.code);
    session.refusals = refused ? session.refusals + 1 : session.refusals;
    const hopeless = error.code === "unauthorized" && typeof session.token !== "function";
    const giveUp = hopeless || session.refusals >= this.#reconnect.maxRefusals || (error.code === "closed" && !this.#comesBack(session, code));
    if (!giveUp) {
      this.#retryLater(session, code);
      this.#announceRetry(session);
      return;
    }
    this.#session = null;
    this.#emit("error", error);
    this.#emit("disconnected", { code, reason: error.message, willReconnect: false });
  }

  #emit(name, payload, event) {
    for (const callback of this.#listeners.get(name) ?? []) {
      try {
        callback(payload, event);
      } catch (error) {
        reportLater(error);
      }
    }
  }
}

function rejectAll(session, message) {
  const waiting = [...session.pending.values()];
  session.pending.clear();
  for (const { reject, timer } of waiting) {
    clearTimeout(timer);
    reject(new GodraError("disconnected", message));
  }
}
