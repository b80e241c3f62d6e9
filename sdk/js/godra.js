// The Godra SDK. Made from src/ by `npm run build`: change it there.

// src/errors.js
var GodraError = class extends Error {
  constructor(code, message, { status, details, retryAfter, closeCode, outcome, cause } = {}) {
    super(message, cause === void 0 ? void 0 : { cause });
    this.name = "GodraError";
    this.code = code;
    this.status = status;
    this.details = details;
    this.retryAfter = retryAfter;
    this.closeCode = closeCode;
    this.outcome = outcome;
  }
};
function errorOfResponse({ status, headers, body }) {
  const error = body?.error ?? {};
  return new GodraError(error.code ?? codeOfStatus(status), error.message ?? `HTTP status ${status}`, {
    status,
    details: error.details,
    retryAfter: retryAfterOf(headers)
  });
}
function retryAfterOf(headers) {
  const seconds = Number.parseInt(headers.get("Retry-After"), 10);
  return Number.isNaN(seconds) ? void 0 : seconds;
}
function codeOfStatus(status) {
  const codes = { 400: "bad_request", 401: "unauthorized", 403: "forbidden", 404: "not_found", 409: "conflict", 413: "too_large", 429: "rate_limited" };
  return codes[status] ?? (status >= 500 ? "unavailable" : "bad_response");
}
var NOT_RUN = /* @__PURE__ */ new Set(["bad_request", "forbidden", "not_found", "out_of_order", "rate_limited", "busy"]);
function errorOfPayload(payload) {
  const code = payload?.code ?? "error";
  const outcome = NOT_RUN.has(code) ? "none" : code === "unavailable" ? "unknown" : "ran";
  return new GodraError(code, payload?.message ?? "The server reported an error", { details: payload?.details, outcome });
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
  /** Whose token it is, as far as that can be told without asking. */
  userOf(token) {
    return token === this.#session?.token ? this.#session.user_id : claimedUser(token);
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
function claimedUser(token) {
  try {
    return JSON.parse(atob(token.split(".")[1].replace(/-/g, "+").replace(/_/g, "/"))).user_id;
  } catch {
    return void 0;
  }
}

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
  /** Whether the server takes players, and in how many seconds it may, where it says so. */
  async readiness() {
    return this.#send("ready", { method: "GET" }).then(
      ({ ok, headers }) => ({ isReady: ok, retryAfter: retryAfterOf(headers) }),
      () => ({ isReady: false })
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

// src/backoff.js
var LONGEST_MS = [
  [6e4, 800],
  [5 * 6e4, 5e3],
  [Infinity, 2e4]
];
var MAX_RETRY_AFTER_MS = 5 * 6e4;
function retryDelayMs({ attempt, goneMs, answers = 0, isGentle: isGentle2 = false, retryAfterS = 0 }, { firstDelayMs, maxDelayMs }, random = Math.random) {
  const doublings = answers > 0 ? Math.min(answers, attempt - 1) : attempt - 1;
  const longestMs = answers > 0 ? maxDelayMs : LONGEST_MS.find(([untilMs]) => goneMs < untilMs)[1];
  const grownMs = Math.min(longestMs, firstDelayMs * 2 ** Math.min(doublings, 30));
  const ceilingMs = Math.min(maxDelayMs, isGentle2 ? Math.max(5 * firstDelayMs, grownMs) : grownMs);
  return Math.min(retryAfterS * 1e3, MAX_RETRY_AFTER_MS) + ceilingMs * (0.5 + random() / 2);
}

// src/close-codes.js
var GOING_AWAY = 1001;
var TOKEN_EXPIRED = 4001;
var RATE_LIMITED = 4003;
function comesBack(code) {
  return [GOING_AWAY, 1005, 1006, 1011, 1012, 1013, 1014].includes(code) || code >= 4e3 && code <= 4499;
}
function isGentle(code) {
  return code === GOING_AWAY || code === RATE_LIMITED;
}

// src/refusal.js
var REFUSALS = /* @__PURE__ */ new Set([
  "refused",
  "unauthorized",
  "token_expired",
  "session_ended",
  "forbidden",
  "bad_request",
  "not_found",
  "conflict"
]);
var REFUSED = "The server is up, but refused the WebSocket. Browsers do not say why: the token may have expired, or the lobby is full or does not exist. lobby.joinLobby() tells the reason";
var HINTS = {
  401: ": the token is not valid (any more)",
  403: ": the lobby is full or does not exist, or its script said no",
  503: ": it is full, or stopping"
};
var OF_TOKEN = /* @__PURE__ */ new Set(["unauthorized", "token_expired", "session_ended"]);
function isOfToken(error) {
  return OF_TOKEN.has(error.code);
}
function isRefusal(error) {
  return REFUSALS.has(error.code);
}
function isAnswer(error) {
  return isRefusal(error) || error.status !== void 0 || error.retryAfter !== void 0;
}
async function explain({ code, reason, opened, timedOut }, http) {
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
  const { isReady, retryAfter } = await http.readiness();
  if (isReady) return new GodraError("refused", REFUSED, { closeCode });
  return new GodraError("unavailable", "The server cannot be reached, or is not ready", { closeCode, retryAfter });
}

// src/attempts.js
var STABLE_MS = 5e3;
var Attempts = class {
  /** 0 while the first connection is made or holds. */
  count = 0;
  /** Attempts that the server refused, and those that it answered in whatever way, since it last took the player. */
  #refusals = 0;
  #answers = 0;
  #openedAt = 0;
  #lostAt = 0;
  #limits;
  constructor(limits) {
    this.#limits = limits;
  }
  opened(now) {
    this.#openedAt = now;
    this.#refusals = 0;
    this.#answers = 0;
  }
  lost(now) {
    if (this.count === 0 || now - this.#openedAt > STABLE_MS) this.restart(now);
  }
  /** Begins from the start, as if the connection had been lost now. */
  restart(now) {
    this.count = 0;
    this.#lostAt = now;
  }
  failed(error) {
    if (isRefusal(error)) this.#refusals += 1;
    this.#answers = isAnswer(error) ? this.#answers + 1 : 0;
  }
  /** Whether the server has refused so often that it will not change its mind. */
  get areRefused() {
    return this.#refusals >= this.#limits.maxRefusals;
  }
  /** Counts one more, after a connection or an attempt that ended with this close code; gives what `reconnecting` tells. */
  next(now, closeCode, retryAfterS) {
    this.count += 1;
    const about = { attempt: this.count, goneMs: now - this.#lostAt, answers: this.#answers, isGentle: isGentle(closeCode), retryAfterS };
    return { attempt: this.count, delayMs: retryDelayMs(about, this.#limits) };
  }
};

// src/emitter.js
var Emitter = class {
  #listeners = /* @__PURE__ */ new Map();
  /** Gives back a function that ends it. */
  on(name, callback) {
    if (typeof callback !== "function") throw new TypeError("on(event, callback): the callback is not a function");
    const callbacks = this.#listeners.get(name) ?? [];
    this.#listeners.set(name, [...callbacks, callback]);
    return () => this.off(name, callback);
  }
  /** Without a callback, for all callbacks of that name. */
  off(name, callback) {
    const callbacks = this.#listeners.get(name) ?? [];
    const index = callback === void 0 ? -1 : callbacks.indexOf(callback);
    if (callback === void 0) this.#listeners.delete(name);
    else if (index >= 0) this.#listeners.set(name, callbacks.filter((_, at) => at !== index));
  }
  emit(name, payload, event) {
    for (const callback of this.#listeners.get(name) ?? []) {
      try {
        callback(payload, event);
      } catch (error) {
        reportLater(error);
      }
    }
  }
};

// src/heartbeat.js
var Heartbeat = class {
  #ping;
  #heardAt;
  #died;
  #everyMs;
  #timer = null;
  /** The latest check; one that it overtook says nothing any more. */
  #check = null;
  /** `ping(options)` rejects with `timeout` without an answer; `heardAt()` is when anything was received; `died()` ends it. */
  constructor({ ping, heardAt, died, everyMs }) {
    this.#ping = ping;
    this.#heardAt = heardAt;
    this.#died = died;
    this.#everyMs = everyMs;
  }
  start() {
    if (this.#everyMs) this.#timer = setTimeout(() => this.check(), this.#everyMs);
  }
  stop() {
    clearTimeout(this.#timer);
    this.#check = null;
  }
  /** Asks now. */
  async check(timeoutMs) {
    this.stop();
    const check = {};
    this.#check = check;
    const sentAt = performance.now();
    const answered = await this.#ping({ timeoutMs }).then(
      () => true,
      (error) => error.code !== "timeout"
    );
    if (this.#check !== check) return;
    if (answered || this.#heardAt() > sentAt) this.start();
    else this.#died();
  }
};

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
function webSocketClass(given) {
  const found = given ?? globalThis.WebSocket;
  if (found) return found;
  throw new GodraError(
    "no_websocket",
    'This runtime has no WebSocket. Pass one: new GodraClient(url, { WebSocket }), with `import WebSocket from "ws"`, or use Node 22 or later'
  );
}
function socketUrl(base, query) {
  const url = new URL("ws", base);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
  return url;
}

// src/outbox.js
var MAX_WAITING = 64;
var MAX_UNDER_WAY = 16;
var NOT_NOW = /* @__PURE__ */ new Set(["busy", "unavailable", "rate_limited", "out_of_order"]);
var RETRY = { firstDelayMs: 100, maxDelayMs: 5e3 };
var Outbox = class {
  /** Oldest first. A request has an `n` and an `epoch` (of the store that may have run it) once it has been sent. */
  #waiting = [];
  #send;
  #later;
  #random;
  #isOpen = false;
  #isNumbered = true;
  #nextN = 1;
  #epoch;
  #user;
  #refusals = 0;
  #cancelRetry = null;
  /** `send(text)` says whether it was sent; `later(run, delayMs)` gives back a function that cancels it. */
  constructor({ send, later = afterDelay, random = Math.random }) {
    this.#send = send;
    this.#later = later;
    this.#random = random;
  }
  /** Takes a request, and settles with its answer, whichever connection that comes by. Without `timeoutMs` it waits for it. */
  async add(id, action, payload, timeoutMs) {
    if (!this.#isNumbered) throw unsupported(action);
    if (this.#waiting.length >= MAX_WAITING) {
      throw new GodraError("queue_full", `${MAX_WAITING} requests wait already: ${action} was not sent`, { outcome: "none" });
    }
    const text = JSON.stringify({ action, payload, id });
    return new Promise((resolve, reject) => {
      const request = { id, action, text, n: null, epoch: null, isUnderWay: false, resolve, reject, cancelTimeout: null };
      if (timeoutMs !== void 0) request.cancelTimeout = this.#later(() => this.#timedOut(request, timeoutMs), timeoutMs);
      this.#waiting.push(request);
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
    const isOther = this.#user !== void 0 && user !== this.#user;
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
    if (!request) return n !== void 0;
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
  #timedOut(request, timeoutMs) {
    if (request.n === null) this.#remove(request);
    const why = `No reply to ${request.action} within ${timeoutMs} ms`;
    request.reject(new GodraError("timeout", why, { outcome: outcomeOf(request) }));
  }
  #failAll(isMeant, errorOf) {
    for (const request of this.#waiting.filter(isMeant)) {
      this.#remove(request);
      request.reject(errorOf(request.action, outcomeOf(request)));
    }
  }
  #remove(request) {
    request.cancelTimeout?.();
    this.#waiting = this.#waiting.filter((one) => one !== request);
  }
};
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
function afterDelay(run, delayMs) {
  const timer = setTimeout(run, delayMs);
  return () => clearTimeout(timer);
}

// src/pending.js
var Pending = class {
  #waiting = /* @__PURE__ */ new Map();
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
};

// src/position.js
var Position = class {
  #epoch;
  #seq;
  /** What a new connection goes on from; null if everything is to be sent anew. */
  get resume() {
    return this.#epoch === void 0 || this.#seq === void 0 ? null : { epoch: this.#epoch, since: this.#seq };
  }
  /** The welcome of a connection that goes on changes nothing: the missed events are yet to come. */
  welcome({ recovered, epoch, seq }) {
    if (!recovered || epoch !== this.#epoch) this.#set(epoch, seq);
  }
  /** The room at exactly this place. It may be behind what was seen: a store that was restored has gone back. */
  snapshot({ epoch = this.#epoch, seq }) {
    this.#set(epoch, seq);
  }
  /** Whether this event is new. Gaps are for the server to judge: what is missing was for others. */
  event({ seq }) {
    if (typeof seq !== "number") return true;
    if (seq <= this.#seq) return false;
    this.#seq = seq;
    return true;
  }
  /** The server says that all events up to this one have been sent. */
  reached(seq) {
    if (typeof seq === "number" && !(seq <= this.#seq)) this.#seq = seq;
  }
  forget() {
    this.#set(void 0, void 0);
  }
  #set(epoch, seq) {
    this.#epoch = epoch;
    this.#seq = typeof seq === "number" ? seq : void 0;
  }
};

// src/wake.js
function onWake(callback, scope = globalThis) {
  const page = scope.document;
  const shown = () => page.visibilityState === "visible" && callback();
  const sources = [
    [scope, "online", callback],
    // A page that comes out of the browser's back/forward cache has lost its sockets.
    [scope, "pageshow", callback],
    [page, "visibilitychange", shown]
  ].filter(([target]) => typeof target?.addEventListener === "function");
  for (const [target, name, listener] of sources) target.addEventListener(name, listener);
  return () => {
    for (const [target, name, listener] of sources) target.removeEventListener(name, listener);
  };
}

// src/realtime.js
var DEFAULTS = {
  requestTimeoutMs: 1e4,
  connectTimeoutMs: 1e4,
  heartbeatMs: 2e4,
  maxBufferedBytes: 1 << 20,
  resume: true
};
var RECONNECT_DEFAULTS = {
  firstDelayMs: 200,
  maxDelayMs: 2e4,
  maxRefusals: 5
};
var WAKE_LIMIT_MS = 3e3;
var LIFECYCLE = /* @__PURE__ */ new Set(["connected", "disconnected", "reconnecting", "state_update", "error"]);
var Realtime = class {
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
      unwatch: onWake(() => this.#wake(session))
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
    session.link?.end(1e3, "closed by the client");
    session.abandon?.(cancelled());
    if (!wasConnecting) {
      this.#emitter.emit("disconnected", { code: 1e3, reason: "closed by the client", willReconnect: false });
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
        ended: (end) => session.phase === "open" ? this.#lost(session, end) : resolve(end)
      });
    });
    if (failure === null) return session.welcome;
    if (session !== this.#session) throw cancelled();
    throw await explain(failure, this.#http);
  }
  // What one player has seen is not what another may see.
  #forgetOther({ position, welcome }, token) {
    const user = this.#client.auth.userOf(token);
    if (user !== void 0 && user !== welcome?.user_id) position.forget();
  }
  #socketUrl({ room, position }) {
    return socketUrl(this.#base, { game_id: room, ...this.#options.resume ? position.resume : null });
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
    session.outbox.welcome(payload);
    this.#emitter.emit("connected", payload, message);
    if (session === this.#session) this.#deliver(message);
  }
  #event(session, event) {
    const isSnapshot = event.type === "snapshot";
    if (isSnapshot) session.position.snapshot(event);
    else if (!session.position.event(event)) return;
    if (isSnapshot && event.epoch !== void 0) session.outbox.epochIs(event.epoch);
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
    else if (error && action === void 0) this.#emitter.emit("error", error, message);
  }
  #sendText(session, text) {
    return session?.phase === "open" && session.link.send(text, this.#options.maxBufferedBytes);
  }
  #heartbeat(link) {
    return new Heartbeat({
      ping: (options) => this.ping(options),
      heardAt: () => link.receivedAt,
      died: () => link.end(1006, "no answer to a heartbeat"),
      everyMs: this.#options.heartbeatMs
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
};

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
