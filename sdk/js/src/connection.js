// The life of a room's connection: what state that is in, and what follows from what happens to it. The life of a client's room in
// sdk/PROTOCOL.md is this file's plan. Knows nothing of what is said over it; no socket, clock and chance of its own: `env` has them.

import { Attempt } from "./attempt.js";
import { Attempts } from "./attempts.js";
import { TOKEN_EXPIRED, WILL_COME_BACK, comesBack } from "./close-codes.js";
import { cancelled, errorOfClose } from "./errors.js";
import { Heartbeat } from "./heartbeat.js";
import { isFinal, isOfToken } from "./refusal.js";

/** So soon a connection has to show that it lived through a sleep. */
const WAKE_LIMIT_MS = 3_000;
const CLOSED = "closed by the client";

export class Connection {
  /** `joining`, `joined`, `rejoining` or `left`: for ever. */
  state = "joining";
  /** The connection, or the attempt at one; null while there is none. */
  attempt = null;
  #env;
  #settings;
  #tokens;
  #left;
  #room;
  /** Resolve and reject the promise of `join`. */
  #joining;
  #attempts;
  #heartbeat;
  #receivedAt = 0;
  /** Whether the token was renewed since the last welcome. */
  #isRenewed = false;
  /** The game is leaving: whatever ends the connection now is its own doing. */
  #isLeaving = false;
  /** Network or page came back during an attempt: if that fails, the next one comes at once. */
  #isWoken = false;
  /** How the outage began. */
  #firstEnd = null;
  /** What `reconnecting` told of the attempt that is waited for. */
  #waiting = null;
  #cancelRetry = () => {};
  #unwatch;

  /**
   * `tokens`: `get()` gives one; `prepare()` sees to it that the next one comes soon; `renew(token, why)` says whether another can be
   * had in the place of that; `over(why)` is told when not, and gives the error that says so; `userOf(token)`. `left()` is called when
   * this life is over.
   */
  constructor({ settings, tokens, env, left }) {
    this.#settings = settings;
    this.#tokens = tokens;
    this.#env = env;
    this.#left = left;
    this.#attempts = new Attempts(settings.reconnect, env.random);
    this.#unwatch = env.onWake(() => this.checkNow());
  }

  /** `room`: `query(user)`, `received(data)`, `ping(options)`, `lost(why)`, `over(why)`, `tell(name, payload)`, `ended()`, `log(…)`. */
  serve(room) {
    this.#room = room;
    this.#heartbeat = new Heartbeat(this.#env, {
      ping: room.ping,
      heardAt: () => this.#receivedAt,
      died: () => this.#giveUp("no answer to a heartbeat"),
      everyMs: this.#settings.heartbeatMs,
    });
  }

  get isJoined() {
    return this.state === "joined";
  }

  /** Joins; resolves when the welcome is there. */
  join() {
    return new Promise((resolve, reject) => {
      this.#joining = { resolve, reject };
      this.#dial();
    });
  }

  send(text) {
    return this.isJoined && this.attempt.send(text, this.#settings.maxBufferedBytes);
  }

  /** The welcome is there; says whether it is the first one. */
  welcomed() {
    const isFirst = this.state === "joining";
    this.attempt.welcomed();
    this.state = "joined";
    this.#isRenewed = false;
    this.#attempts.opened(this.#env.now());
    this.#heartbeat.start();
    if (isFirst) this.#joining.resolve();
    return isFirst;
  }

  /** Network, page or app came back: what was known of the connection may be old. */
  checkNow() {
    if (this.isJoined) {
      this.#heartbeat.check(WAKE_LIMIT_MS);
    } else if (!this.#waiting) {
      this.#isWoken = true;
    } else if (!this.#env.isOffline()) {
      const now = this.#env.now();
      this.#attempts.restart(now);
      const waiting = (this.#waiting = { ...this.#attempts.next(now), delayMs: 0 });
      this.#room.tell("reconnecting", waiting);
      if (this.#waiting === waiting) this.#retry();
    }
  }

  /** Ends it by what `run` does on the server, and closes. */
  async leave(run) {
    this.#isLeaving = true;
    try {
      await run();
    } finally {
      this.end(null);
    }
  }

  /** Ends its life; `cause` is why, and what all that waits fails with. Null where the game itself wants it. */
  end(cause, { code, reason } = this.#endByDefault(cause)) {
    if (this.state === "left") return;
    const isJoining = this.state === "joining";
    const { attempt } = this;
    this.state = "left";
    this.#disconnect();
    this.#unwatch();
    this.#room.over(cause?.message ?? "The room was closed");
    attempt?.close(1000, CLOSED);
    this.#left();
    this.#room.log("info", "left the room", { code, reason });
    if (isJoining) this.#joining.reject(cause ?? cancelled());
    else this.#room.tell("disconnected", { code, reason, willReconnect: false, cause });
    this.#room.ended();
  }

  #endByDefault(cause) {
    return (this.state === "rejoining" && cause && this.#firstEnd) || { code: 1000, reason: cause?.message ?? CLOSED };
  }

  #dial() {
    const isFirst = this.state === "joining";
    const { connectTimeoutMs, isCompat, joinOptions } = this.#settings;
    this.attempt = new Attempt(this.#env, connectTimeoutMs, isFirst, {
      received: (data) => this.#received(data),
      failed: (error, isOfServer) => this.#failed(error, isOfServer),
      lost: (end) => this.#lost(end),
    });
    const more = isFirst && isCompat ? {} : { refuse: "close" };
    if (joinOptions !== undefined) more.options = joinOptions;
    this.attempt.start(this.#tokens.get, (token) => ({ ...this.#room.query(this.#tokens.userOf(token)), ...more }));
  }

  #received(data) {
    this.#receivedAt = this.#env.now();
    this.#room.received(data);
  }

  #giveUp(reason) {
    this.attempt.close(WILL_COME_BACK, reason);
    this.#lost({ code: 1006, reason });
  }

  #lost(end) {
    const { code, reason } = end;
    const { token } = this.attempt;
    const cause = errorOfClose(end);
    this.#attempts.lost(this.#env.now());
    if (this.#attempts.count === 0 || !comesBack(code)) this.#firstEnd = end;
    this.state = "rejoining";
    this.#disconnect();
    this.#room.lost(cause.message);
    if (this.#isLeaving) {
      this.end(null);
    } else if (!this.#settings.reconnect || !comesBack(code)) {
      this.end(cause, end);
    } else if (code === TOKEN_EXPIRED && !this.#tokens.renew(token, cause)) {
      this.#firstEnd = end;
      this.#over(cause);
    } else {
      // The time until the attempt is enough for a refresh.
      if (code === TOKEN_EXPIRED) this.#tokens.prepare();
      this.#room.log("info", "lost the connection", { code, reason });
      const waiting = this.#retryLater(code);
      this.#room.tell("disconnected", { code, reason, willReconnect: true, cause });
      if (this.#waiting === waiting) this.#room.tell("reconnecting", waiting);
    }
  }

  // An attempt came to nothing. The fault may be in getting a token for it.
  #failed(error, isOfServer) {
    const { token } = this.attempt;
    const isClosed = error.code === "disconnected" && !comesBack(error.closeCode);
    this.#disconnect();
    if (isOfServer && isOfToken(error)) {
      this.#refusedToken(token, error);
    } else if (this.state === "joining") {
      this.end(error);
    } else {
      this.#attempts.failed(error);
      if (isClosed) this.#firstEnd = { code: error.closeCode, reason: error.closeReason };
      if (isClosed || (isOfServer && isFinal(error) && this.#attempts.areRefused)) this.end(error);
      else this.#againAfter(error);
    }
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
  #over(error) {
    this.end(this.#tokens.over(error) ?? error);
  }

  #againAfter({ closeCode, retryAfter }) {
    const waiting = this.#retryLater(closeCode, retryAfter);
    if (this.#isWoken) this.checkNow();
    else this.#room.tell("reconnecting", waiting);
  }

  #retryLater(closeCode, retryAfterS) {
    this.#waiting = this.#attempts.next(this.#env.now(), closeCode, retryAfterS);
    this.#cancelRetry = this.#env.later(() => this.#env.isOffline() || this.#retry(), this.#waiting.delayMs);
    return this.#waiting;
  }

  #retry() {
    this.#waiting = null;
    this.#isWoken = false;
    this.#cancelRetry();
    this.#dial();
  }

  #disconnect() {
    this.attempt?.abandon();
    this.attempt = null;
    this.#waiting = null;
    this.#cancelRetry();
    this.#heartbeat.stop();
  }
}
