// The Godra SDK. Made from src/ by `npm run build`: change it there.

// src/errors.js
var GodraError = class extends Error {
  constructor(code, message, { status, details, retryAfter, closeCode, cause } = {}) {
    super(message, cause === void 0 ? void 0 : { cause });
    this.name = "GodraError";
    this.code = code;
    this.status = status;
    this.details = details;
    this.retryAfter = retryAfter;
    this.closeCode = closeCode;
  }
};
function errorOfResponse({ status, headers, body }) {
  const error = body?.error ?? {};
  const retryAfter = Number.parseInt(headers.get("Retry-After"), 10);
  return new GodraError(error.code ?? codeOfStatus(status), error.message ?? `HTTP status ${status}`, {
    status,
    details: error.details,
    retryAfter: Number.isNaN(retryAfter) ? void 0 : retryAfter
  });
}
function codeOfStatus(status) {
  const codes = { 400: "bad_request", 401: "unauthorized", 403: "forbidden", 404: "not_found", 409: "conflict", 413: "too_large", 429: "rate_limited" };
  return codes[status] ?? (status >= 500 ? "unavailable" : "bad_response");
}
function errorOfPayload(payload) {
  return new GodraError(payload?.code ?? "error", payload?.message ?? "The server reported an error", { details: payload?.details });
}
function cancelled() {
  return new GodraError("cancelled", "Closed before the connection was made");
}

// src/util.js
function reportLater(error) {
  if (typeof globalThis.reportError === "function") globalThis.reportError(error);
  else queueMicrotask(() => {
    throw error;
  });
}
function withDefaults(defaults, given) {
  const known = Object.keys(defaults).filter((key) => given?.[key] !== void 0);
  return { ...defaults, ...Object.fromEntries(known.map((key) => [key, given[key]])) };
}
function parseJson(text) {
  try {
    return JSON.parse(text);
  } catch {
    return void 0;
  }
}

// src/lobby.js
var LOBBIES_PER_PAGE = 20;
var Lobby = class {
  #client;
  constructor(client) {
    this.#client = client;
  }
  /** Makes a lobby; resolves with its id as the server says it (`game:` and the id). */
  async createLobby(token, maxPlayers) {
    return this.#rpc(token, "create_lobby", maxPlayers === void 0 ? [] : [maxPlayers]);
  }
  async joinLobby(token, lobbyId) {
    return this.#rpc(token, "join_lobby", [], [lobbyKey(lobbyId)]);
  }
  async leaveLobby(token, lobbyId) {
    return this.#rpc(token, "leave_lobby", [], [lobbyKey(lobbyId)]);
  }
  /** A page of the lobbies: `{lobbies: [{id, members, capacity, created_at}], cursor}`; the last one's cursor is null. */
  async listLobbies(token, { limit = LOBBIES_PER_PAGE, cursor } = {}) {
    const page = await this.#rpc(token, "list_lobbies", cursor == null ? [limit] : [limit, cursor]);
    const parsed = typeof page === "string" ? parseJson(page) : page;
    if (!Array.isArray(parsed?.lobbies)) throw new GodraError("bad_response", "The answer has no list of lobbies");
    return parsed;
  }
  #rpc(token, script, args, keys) {
    return this.#client.rpc(script, args, keys, { token });
  }
};
function lobbyKey(lobbyId) {
  const id = typeof lobbyId === "string" ? lobbyId.replace(/^game:/, "") : "";
  if (/^[A-Za-z0-9_-]{1,64}$/.test(id)) return `game:${id}`;
  throw new GodraError("bad_request", "A lobby id is 1 to 64 letters, digits, underscores and hyphens");
}

// src/auth.js
var REFRESH_EARLY_MS = 6e4;
var Auth = class {
  #client;
  #http;
  #onSession;
  #session = null;
  #stale = false;
  #refreshing = null;
  constructor(client, http, { session, onSession }) {
    this.#client = client;
    this.#http = http;
    this.#onSession = onSession;
    if (session) {
      this.#session = { ...session };
      client.token = session.token;
    }
  }
  /** What is to be kept so that a later client can go on (the option `session`); null without a login. */
  get session() {
    return this.#session && { ...this.#session };
  }
  /** Logs in as a guest. */
  async guestLogin() {
    return this.#begin(await this.#http.post("guest-login", {}));
  }
  /** Makes an account; `login` comes after it. */
  async register(username, password) {
    return this.#http.post("register", { username, password });
  }
  async login(username, password) {
    return this.#begin(await this.#http.post("login", { username, password }));
  }
  /**
   * Makes the guest that is logged in a player with an account, and goes on as that. What the guest has in lobbies goes over
   * to the new user id: in those where it has called or been, which the server knows, and in `lobbies`.
   */
  async upgrade(username, password, { lobbies } = {}) {
    const here = this.#client.realtime.welcome?.game_id;
    const rooms = (lobbies ?? (here ? [here] : [])).map((id) => lobbyKey(id).slice("game:".length));
    const call = (token) => this.#http.post("account/upgrade", { username, password, rooms }, token);
    return this.#begin(await this.withToken(null, call));
  }
  /** Changes the password; all other sessions of the account end. */
  async changePassword(oldPassword, newPassword) {
    const call = (token) => this.#http.post("account/password", { old: oldPassword, new: newPassword }, token);
    await this.withToken(null, call);
  }
  /** Whose session this is: `{user_id, username, role, expires_in}`. */
  async account() {
    return this.withToken(null, (token) => this.#http.get("account", token));
  }
  /** Ends the session on the server, and forgets it here whatever the server says. */
  async logout() {
    const token = await this.freshToken().catch(() => null);
    this.#set(null);
    this.#client.token = null;
    if (token) await this.#http.post("logout", {}, token);
  }
  /** Gets a new pair of tokens now. Calls at the same time share one: a refresh token is good once. */
  async refresh() {
    if (!this.#session?.refresh_token) throw new GodraError("unauthorized", "No session to refresh: log in first");
    this.#refreshing ??= this.#refresh(this.#session).finally(() => {
      this.#refreshing = null;
    });
    return this.#refreshing;
  }
  /** A token that is good for a while: the session's, refreshed if need be, or else `client.token`. */
  async freshToken() {
    if (this.#refreshing) await this.#refreshing;
    const session = this.#session;
    if (session?.refresh_token && session.token === this.#client.token && this.#wantsRefresh(session)) {
      await this.refresh();
    }
    return this.#client.token;
  }
  /** The session's token was refused, or its socket closed for it: the next call refreshes it first. */
  distrust(token) {
    if (token === this.#session?.token) this.#stale = true;
  }
  /** Calls with the token that was given, or without one (or with the session's own) with a fresh one. */
  async withToken(given, call) {
    const token = given == null || given === this.#session?.token ? await this.freshToken() : given;
    if (!token) throw new GodraError("unauthorized", "No token: call auth.guestLogin() or auth.login() first, or pass one");
    try {
      return await call(token);
    } catch (error) {
      if (error.status === 401) this.distrust(token);
      throw error;
    }
  }
  #wantsRefresh({ expires_at, expires_in }) {
    const earlyMs = Math.min(REFRESH_EARLY_MS, expires_in * 1e3 / 10);
    return this.#stale || Date.now() >= expires_at - earlyMs;
  }
  async #refresh(session) {
    try {
      const login = await this.#present(session.refresh_token);
      return session === this.#session ? this.#begin(login) : login;
    } catch (error) {
      if ([401, 403].includes(error.status) && session === this.#session) {
        if (this.#client.token === session.token) this.#client.token = null;
        this.#set(null);
      }
      throw error;
    }
  }
  /** The answer may be lost on its way: the server gives it a second time. */
  async #present(refresh_token) {
    const post = () => this.#http.post("refresh", { refresh_token });
    return post().catch((error) => {
      if (!["timeout", "unavailable"].includes(error.code) || error.status) throw error;
      return post();
    });
  }
  #begin(login) {
    if (typeof login.token !== "string") throw new GodraError("bad_response", "The login's answer has no token");
    this.#client.token = login.token;
    this.#set({ ...login, expires_at: Date.now() + login.expires_in * 1e3 });
    return login;
  }
  #set(session) {
    this.#session = session;
    this.#stale = false;
    try {
      this.#onSession?.(this.session);
    } catch (error) {
      reportLater(error);
    }
  }
};

// src/http.js
var REQUEST_TIMEOUT_MS = 1e4;
var Http = class {
  #base;
  #fetch;
  #timeoutMs;
  constructor(base, options) {
    this.#base = base;
    this.#fetch = options.fetch ?? ((...args) => globalThis.fetch(...args));
    this.#timeoutMs = options.requestTimeoutMs ?? REQUEST_TIMEOUT_MS;
  }
  async post(path, body, token) {
    const headers = { "Content-Type": "application/json" };
    return this.#json(path, { method: "POST", headers, body: JSON.stringify(body) }, token);
  }
  async get(path, token) {
    return this.#json(path, { method: "GET", headers: {} }, token);
  }
  /** The object that is answered; null with 204. */
  async #json(path, init, token) {
    if (token) init.headers.Authorization = `Bearer ${token}`;
    const response = await this.#send(path, init);
    if (!response.ok) throw errorOfResponse(response);
    if (response.status === 204) return null;
    if (typeof response.body !== "object" || response.body === null) {
      throw new GodraError("bad_response", `The answer to ${path} is not a JSON object`, { status: response.status });
    }
    return response.body;
  }
  async isReady() {
    return this.#send("ready", { method: "GET" }).then(
      (response) => response.ok,
      () => false
    );
  }
  // The time limit covers the body, too.
  async #send(path, init) {
    const signal = AbortSignal.timeout(this.#timeoutMs);
    try {
      const response = await this.#fetch(new URL(path, this.#base).href, { ...init, signal, credentials: "omit" });
      const text = await response.text();
      return { ok: response.ok, status: response.status, headers: response.headers, body: parseJson(text) };
    } catch (cause) {
      if (signal.aborted) throw new GodraError("timeout", `No answer to ${path} within ${this.#timeoutMs} ms`, { cause });
      throw new GodraError("unavailable", `The server at ${this.#base.origin} cannot be reached`, { cause });
    }
  }
};

// src/close-codes.js
var GOING_AWAY = 1001;
var TOKEN_EXPIRED = 4001;
function comesBack(code) {
  return [GOING_AWAY, 1005, 1006, 1011, 1012, 1013, 1014].includes(code) || code >= 4e3 && code <= 4499;
}

// src/link.js
var Link = class {
  receivedAt = 0;
  #socket;
  #handlers;
  #welcomeTimer;
  #opened = false;
  #failure = "";
  constructor(WebSocketClass, url, token, handlers) {
    this.#handlers = handlers;
    const socket = openSocket(WebSocketClass, url.href, ["godra", `bearer.${token}`]);
    this.#socket = socket;
    socket.binaryType = "arraybuffer";
    socket.onopen = () => {
      this.#opened = true;
    };
    socket.onmessage = ({ data }) => this.#message(data);
    socket.onerror = (event) => {
      this.#failure = event?.message ?? "";
    };
    socket.onclose = ({ code, reason }) => this.#ended({ code, reason: reason || this.#failure });
    this.#welcomeTimer = setTimeout(() => {
      this.end(1e3, `No welcome from the server within ${handlers.timeoutMs} ms`, { timedOut: true });
    }, handlers.timeoutMs);
  }
  /** The welcome came: the time limit for it is over. */
  welcomed() {
    clearTimeout(this.#welcomeTimer);
  }
  send(text, maxBufferedBytes) {
    if (this.#socket.readyState !== 1 || this.#socket.bufferedAmount > maxBufferedBytes) return false;
    this.#socket.send(text);
    return true;
  }
  /** Ends it from this side, at once: a peer that is gone cannot take part in a closing handshake. */
  end(code, reason, more = {}) {
    const handlers = this.#handlers;
    if (!handlers) return;
    this.#ended({ code, reason, ...more });
    this.#socket.close(code === 1006 ? 4e3 : code, reason.slice(0, 100));
  }
  #message(data) {
    this.receivedAt = performance.now();
    let message;
    try {
      message = JSON.parse(typeof data === "string" ? data : new TextDecoder().decode(data));
    } catch {
      this.#handlers?.malformed("The server sent a message that is not JSON");
      return;
    }
    if (typeof message === "object" && message !== null) this.#handlers?.message(message);
    else this.#handlers?.malformed("The server sent a message that is not an object");
  }
  #ended(end) {
    const handlers = this.#handlers;
    if (!handlers) return;
    this.#handlers = null;
    clearTimeout(this.#welcomeTimer);
    handlers.ended({ opened: this.#opened, timedOut: false, ...end });
  }
};
function openSocket(WebSocketClass, address, protocols) {
  try {
    return new WebSocketClass(address, protocols);
  } catch (cause) {
    throw new GodraError("unauthorized", "The token is not one that the server gave: a WebSocket cannot carry it", { cause });
  }
}

// src/realtime.js
var DEFAULTS = {
  requestTimeoutMs: 1e4,
  connectTimeoutMs: 1e4,
  heartbeatMs: 2e4,
  maxBufferedBytes: 1 << 20
};
var RECONNECT_DEFAULTS = {
  firstDelayMs: 500,
  maxDelayMs: 15e3,
  // A server that is up and says no will rarely change its mind: the lobby is gone, or full.
  maxRefusals: 4
};
var LIFECYCLE = /* @__PURE__ */ new Set(["connected", "disconnected", "reconnecting", "state_update", "error"]);
var STABLE_MS = 5e3;
var REFUSALS = /* @__PURE__ */ new Set(["refused", "unauthorized", "forbidden", "bad_request", "not_found", "conflict"]);
var REFUSED = "The server is up, but refused the WebSocket. Browsers do not say why: the token may have expired, or the lobby is full or does not exist. lobby.joinLobby() tells the reason";
var HINTS = {
  401: ": the token is not valid (any more)",
  403: ": the lobby is full or does not exist, or its script said no",
  503: ": it is full, or stopping"
};
var Realtime = class {
  #client;
  #http;
  #base;
  #options;
  #reconnect;
  #WebSocket;
  #listeners = /* @__PURE__ */ new Map();
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
      pending: /* @__PURE__ */ new Map(),
      link: null,
      abandon: null,
      timer: null,
      openedAt: 0,
      usedToken: null,
      welcome: null
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
    this.#listeners.set(name, [...callbacks, callback]);
    return () => this.off(name, callback);
  }
  /** Ends what `on` began; without a callback, for all callbacks of that name. */
  off(name, callback) {
    const callbacks = this.#listeners.get(name) ?? [];
    const index = callback === void 0 ? -1 : callbacks.indexOf(callback);
    if (callback === void 0) this.#listeners.delete(name);
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
    session.link?.end(1e3, "closed by the client");
    session.abandon?.(cancelled());
    rejectAll(session, "The connection was closed");
    if (!wasConnecting) {
      this.#emit("disconnected", { code: 1e3, reason: "closed by the client", willReconnect: false });
    }
  }
  // One attempt: a socket, until its welcome or its failure.
  async #dial(session) {
    session.phase = "connecting";
    return new Promise((resolve, reject) => {
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
        ended: (end) => session.phase === "open" ? this.#lost(session, end) : resolve(end)
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
      'This runtime has no WebSocket. Pass one: new GodraClient(url, { WebSocket }), with `import WebSocket from "ws"`, or use Node 22 or later'
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
    const status = Number(/response: (\d{3})/.exec(reason)?.[1]) || void 0;
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
        (error) => error.code !== "timeout"
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
    return code !== TOKEN_EXPIRED || typeof session.token === "function";
  }
  #retryLater(session, code) {
    session.phase = "waiting";
    session.attempts += 1;
    const { firstDelayMs, maxDelayMs } = this.#reconnect;
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
    const giveUp = hopeless || session.refusals >= this.#reconnect.maxRefusals || error.code === "closed" && !this.#comesBack(session, code);
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
};
function rejectAll(session, message) {
  const waiting = [...session.pending.values()];
  session.pending.clear();
  for (const { reject, timer } of waiting) {
    clearTimeout(timer);
    reject(new GodraError("disconnected", message));
  }
}

// src/client.js
var GodraClient = class {
  #http;
  constructor(baseUrl = globalThis.location?.origin, options = {}) {
    const base = parseBaseUrl(baseUrl);
    this.#http = new Http(base, options);
    this.token = options.token ?? null;
    this.auth = new Auth(this, this.#http, options);
    this.lobby = new Lobby(this);
    this.realtime = new Realtime(this, this.#http, base, options);
  }
  /** Runs a script by RPC and resolves with its result. */
  async rpc(script, args = [], keys = void 0, { token } = {}) {
    const call = (good) => this.#http.post("api/rpc", { script, args, keys }, good);
    const body = await this.auth.withToken(token, call);
    if (!("result" in body)) throw new GodraError("bad_response", "The answer to an RPC has no result");
    return body.result;
  }
};
function parseBaseUrl(baseUrl) {
  let url;
  try {
    url = new URL(baseUrl);
  } catch {
    throw new TypeError(`new GodraClient(baseUrl): not an address: ${baseUrl}`);
  }
  if (url.protocol === "ws:") url.protocol = "http:";
  if (url.protocol === "wss:") url.protocol = "https:";
  if (!/^https?:$/.test(url.protocol)) throw new TypeError(`new GodraClient(baseUrl): not an http(s) address: ${baseUrl}`);
  url.search = "";
  url.hash = "";
  if (!url.pathname.endsWith("/")) url.pathname += "/";
  return url;
}
export {
  GodraClient,
  GodraError
};
