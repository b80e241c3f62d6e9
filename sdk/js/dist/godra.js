// The Godra SDK. Made from src/ by `npm run build`: change it there.

// src/errors.js
var KINDS = {
  network: ["timeout", "unavailable", "disconnected", "refused", "closed"],
  session: ["unauthorized", "token_expired", "session_ended"],
  protocol: ["bad_response", "bad_message", "unsupported"],
  usage: ["bad_request", "too_large", "queue_full", "cancelled", "no_websocket"],
  server: ["forbidden", "not_found", "conflict", "out_of_order", "rate_limited", "busy"]
};
var PASSING = [...KINDS.network, "out_of_order", "rate_limited", "busy", "queue_full"];
var GodraError = class extends Error {
  constructor(code, message, { kind, status, details, retryAfter, closeCode, outcome, cause } = {}) {
    super(message, cause === void 0 ? void 0 : { cause });
    this.name = "GodraError";
    this.code = code;
    this.kind = kind ?? kindOf(code);
    this.status = status;
    this.details = details;
    this.retryAfter = retryAfter;
    this.closeCode = closeCode;
    this.outcome = outcome;
  }
  /** Whether the same call may go better later. */
  get retryable() {
    return PASSING.includes(this.code);
  }
};
function kindOf(code) {
  return Object.keys(KINDS).find((kind) => KINDS[kind].includes(code)) ?? "script";
}
function kindOfServers(code) {
  const kind = kindOf(code);
  return kind === "network" ? "server" : kind;
}
function errorOfResponse({ status, headers, body }) {
  const error = body?.error ?? {};
  const code = isText(error.code) ? error.code : codeOfStatus(status);
  return new GodraError(code, isText(error.message) ? error.message : `HTTP status ${status}`, {
    kind: kindOfServers(code),
    status,
    details: error.details,
    retryAfter: retryAfterOf(headers),
    outcome: outcomeOf(code, headers.get("Godra-Script") !== null)
  });
}
function retryAfterOf(headers) {
  return secondsOf(headers.get("Retry-After"));
}
function secondsOf(text) {
  const seconds = /^\d+$/.test(text) ? Number(text) : Math.ceil((Date.parse(text) - Date.now()) / 1e3);
  return Number.isNaN(seconds) ? void 0 : Math.max(0, seconds);
}
function codeOfStatus(status) {
  const codes = { 400: "bad_request", 401: "unauthorized", 403: "forbidden", 404: "not_found", 409: "conflict", 413: "too_large", 429: "rate_limited" };
  return codes[status] ?? (status >= 500 ? "unavailable" : "bad_response");
}
var NOT_RUN = [...KINDS.session, ...KINDS.server.filter((code) => code !== "conflict"), "bad_request"];
function errorOfPayload({ code, message, details }) {
  return new GodraError(code, message, { kind: kindOfServers(code), details, outcome: outcomeOf(code) });
}
function outcomeOf(code, hasRun = !NOT_RUN.includes(code)) {
  return code === "unavailable" ? "unknown" : hasRun ? "ran" : "none";
}
function errorOfRefusal({ code, message, details, status, retry_after: seconds }, closeCode) {
  const retryAfter = seconds >= 0 && Number.isFinite(seconds) ? seconds : void 0;
  return new GodraError(code, message, { kind: kindOfServers(code), details, status, retryAfter, closeCode });
}
function errorOfClose({ code: closeCode, reason }, what = "The connection was lost") {
  const [, until, words] = /^banned(?: until (\d+))?(?:: (.*))?$/s.exec(closeCode === 4501 ? reason : "") ?? [];
  const details = closeCode === 4501 ? { until: until ? Number(until) : null, reason: words ?? "" } : void 0;
  const error = new GodraError("disconnected", `${what} (${closeCode}${reason ? `: ${reason}` : ""})`, { closeCode, details });
  return Object.assign(error, { closeReason: reason });
}
function cancelled(message = "Closed before the connection was made") {
  return new GodraError("cancelled", message);
}
function isText(value) {
  return typeof value === "string";
}

// src/address.js
var MAX_OPTIONS_BYTES = 1024;
function parseBaseUrl(given = globalThis.location?.origin) {
  const [, scheme, rest] = /^(https?|wss?):\/\/([^/?#\s]+[^?#\s]*)/i.exec(String(given)) ?? [];
  if (!scheme) {
    const hint = given === "null" ? ": a page or worker without an address of its own has to name the server's" : "";
    throw new TypeError(`new GodraClient(baseUrl): not an http(s) address: ${given}${hint}`);
  }
  const isSecure = /^(https|wss)$/i.test(scheme) ? "s" : "";
  const path = rest.endsWith("/") ? rest : `${rest}/`;
  return { http: `http${isSecure}://${path}`, ws: `ws${isSecure}://${path}` };
}
function queryOf(parameters) {
  return Object.entries(parameters).map((pair) => pair.map(encodeURIComponent).join("=")).join("&");
}
function optionsText(options) {
  if (options === void 0) return void 0;
  const text = options !== null && typeof options === "object" && !Array.isArray(options) ? JSON.stringify(options) : "";
  if (!text.startsWith("{") || new TextEncoder().encode(text).length > MAX_OPTIONS_BYTES) {
    throw new GodraError("bad_request", `The options of a join are an object of at most ${MAX_OPTIONS_BYTES} bytes of JSON`);
  }
  return text;
}
function roomId(lobbyId, game = "") {
  const [, named = game, id] = /^(?:game:)?(?:([a-z][a-z0-9_-]{0,31})~)?([\w-]{1,64})$/.exec(lobbyId) ?? [];
  if (typeof lobbyId === "string" && id && named === game) return game ? `${game}~${id}` : id;
  throw new GodraError("bad_request", `A lobby id ${game ? `of ${game} ` : ""}is 1 to 64 letters, digits, underscores and hyphens`);
}
function gameOf({ game }) {
  game ??= "";
  if (game === "" || /^[a-z][a-z0-9_-]{0,31}$/.test(game)) return game;
  throw new TypeError("new GodraClient(baseUrl, {game}): a game's name is 1 to 32 of a-z, 0-9, _ and -, a letter first");
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
var PLATFORM = {
  now: () => performance.now(),
  later(run, delayMs) {
    const timer = setTimeout(run, delayMs);
    return () => clearTimeout(timer);
  },
  random: Math.random
};
function onAbort(signal, callback) {
  if (signal?.aborted) callback();
  else signal?.addEventListener("abort", callback);
  return () => signal?.removeEventListener("abort", callback);
}

// src/session.js
var REFRESH_EARLY_MS = 6e4;
var REFUSED = [400, 401, 403];
var SessionKeeper = class {
  /** A login and `expires_at`; null without one. */
  current = null;
  #client;
  #http;
  #store;
  #tell;
  /** By the clock that never jumps. */
  #staleAt = 0;
  #refreshing = null;
  /** `tell`: `changed(session, cause)`; `ended(cause)` for all that is of the session before; `failed(error)` of the store. */
  constructor(client, http, store, tell) {
    this.#client = client;
    this.#http = http;
    this.#store = store;
    this.#tell = tell;
  }
  /** Goes on with a session that was kept. */
  take(session) {
    const leftMs = session.expires_at - Date.now();
    const earlyMs = Math.min(REFRESH_EARLY_MS, (session.expires_in * 1e3 || leftMs) / 10);
    this.current = session;
    this.#staleAt = PLATFORM.now() + leftMs - earlyMs;
    this.#client.token = session.token;
  }
  /** Goes on with the one in the store, if there is none yet; says whether it did. */
  async restore() {
    const kept = this.current ? null : await this.#load();
    if (!kept || this.current) return false;
    this.#set(kept);
    return true;
  }
  /** Goes on with what a login answered. With an upgrade the player stays the same under another id. */
  async begin(login, isSamePlayer = false) {
    const isLogin = isText(login.token) && isText(login.user_id) && typeof login.expires_in === "number" && isText(login.refresh_token ?? "");
    if (!isLogin) throw new GodraError("bad_response", "The login's answer is none");
    const before = this.current;
    const session = { ...login, expires_at: Date.now() + login.expires_in * 1e3 };
    await this.#save(session);
    if (before && !isSamePlayer && before.user_id !== login.user_id) this.#end(new GodraError("session_ended", "Another player has logged in"));
    this.#set(session);
    return login;
  }
  /** The account of the session has this name from now on. */
  async rename(account) {
    const { current } = this;
    if (current?.user_id === account.user_id) {
      await this.#save({ ...current, username: account.username });
      if (current === this.current) this.#set({ ...current, username: account.username });
    }
    return account;
  }
  /** The game wants no session any more. */
  async forget() {
    this.#client.token = null;
    this.#end(new GodraError("session_ended", "Logged out"));
    await this.#save(null);
  }
  /** No other token can be had: ends the session, with all its rooms. Gives the error that says so. */
  over(error) {
    const { status, closeCode } = error;
    const cause = error.code === "session_ended" ? error : new GodraError("session_ended", `The session is over: ${error.message}`, { status, closeCode, cause: error });
    const session = this.current;
    if (session) {
      if (this.#client.token === session.token) this.#client.token = null;
      this.#clear(session);
      this.#end(cause, cause);
    }
    return cause;
  }
  /** The token was refused: it is refreshed before it is used again. */
  distrust(token) {
    if (token === this.current?.token) this.#staleAt = 0;
  }
  /** A token that is good for a while: the session's, refreshed if need be, or else `client.token`. */
  async fresh() {
    if (this.#refreshing) await this.#refreshing;
    const session = this.current;
    if (session?.refresh_token && session.token === this.#client.token && this.#isStale(session)) await this.renew();
    return this.#client.token;
  }
  /** Gets a new pair of tokens. Calls at the same time share one: a refresh token is good once. */
  async renew() {
    const refresh = () => this.#refresh(this.current);
    this.#refreshing ??= Promise.resolve(this.#store?.lock ? this.#store.lock(refresh) : refresh()).finally(() => {
      this.#refreshing = null;
    });
    return this.#refreshing;
  }
  /** Shows a refresh token. The answer may be lost on its way: the server gives it a second time. */
  async present(refresh_token) {
    const post = () => this.#http.post("refresh", { refresh_token });
    return post().catch((error) => {
      if (!["timeout", "unavailable"].includes(error.code) || error.status) throw error;
      return post();
    });
  }
  async #refresh(before) {
    const kept = await this.#load();
    const isNewer = kept && kept.user_id === before?.user_id && kept.refresh_token !== before.refresh_token;
    if (isNewer && before === this.current && !this.#isStale(this.#set(kept))) return kept;
    const session = this.current;
    if (!session?.refresh_token) throw new GodraError("unauthorized", "No session to refresh: log in first");
    try {
      const login = await this.present(session.refresh_token);
      return session === this.current ? await this.begin(login) : login;
    } catch (error) {
      if (REFUSED.includes(error.status) && session === this.current) this.over(error);
      throw error;
    }
  }
  #isStale({ expires_at }) {
    return PLATFORM.now() >= this.#staleAt || Date.now() >= expires_at;
  }
  #set(session) {
    this.take(session);
    this.#tell.changed({ ...session });
    return session;
  }
  #end(why, cause) {
    this.current = null;
    this.#tell.changed(null, cause);
    this.#tell.ended(why);
  }
  async #load() {
    const kept = await this.#tried(() => this.#store?.load());
    return isText(kept?.token) && isText(kept.user_id) && typeof kept.expires_at === "number" ? { ...kept } : null;
  }
  async #save(session) {
    await this.#tried(() => session ? this.#store?.save({ ...session }) : this.#store?.clear());
  }
  // Another tab may have logged in anew.
  async #clear(session) {
    const kept = await this.#load();
    if (kept?.refresh_token === session.refresh_token) await this.#save(null);
  }
  // A full or forbidden store costs the next start its login, and this one nothing.
  async #tried(run) {
    try {
      return await run();
    } catch (error) {
      this.#tell.failed(error);
      return null;
    }
  }
};

// src/auth.js
var Auth = class {
  #client;
  #http;
  #keeper;
  /** A login, logout, upgrade, change of password, name or the like of our own: nothing is refreshed before it is answered. */
  #ownCall = null;
  /** A session that was kept is looked at before a game relies on it. */
  #isKept = false;
  #ensuring = null;
  /** `tell` is SessionKeeper's. */
  constructor(client, http, { session, store }, tell) {
    this.#client = client;
    this.#http = http;
    this.#keeper = new SessionKeeper(client, http, store, tell);
    if (!session) return;
    this.#keeper.take({ ...session });
    this.#isKept = true;
  }
  /** What is to be kept so that a later client can go on (the option `session`); null without a login. */
  get session() {
    const { current } = this.#keeper;
    return current && { ...current };
  }
  /** Goes on with the session that is kept, if it is still good; else logs in as a guest. Calls at the same time share one. */
  async ensure() {
    this.#ensuring ??= this.#ensure().finally(() => {
      this.#ensuring = null;
    });
    return this.#ensuring;
  }
  async #ensure() {
    await this.restore();
    if (this.#keeper.current && this.#isKept) await this.account().catch((error) => this.#keepFor(error));
    this.#isKept = false;
    if (!this.#keeper.current) await this.guestLogin();
    return this.session;
  }
  #keepFor(error) {
    if (error.status === 401) this.#keeper.over(error);
    else if (error.status === void 0 && this.#keeper.current) throw error;
  }
  /** Takes the session out of the store, if there is none yet; gives the session, or null. */
  async restore() {
    if (await this.#keeper.restore()) this.#isKept = true;
    return this.session;
  }
  /** Logs in as a guest, who is called `nickname` or something like Guest-7KQ2. */
  async guestLogin({ nickname } = {}) {
    return this.#own(async () => this.#keeper.begin(await this.#http.post("guest-login", { nickname })));
  }
  /** Makes an account; `login` comes after it. */
  async register(username, password) {
    return this.#http.post("register", { username, password });
  }
  async login(username, password) {
    return this.#own(async () => this.#keeper.begin(await this.#http.post("login", { username, password })));
  }
  /** Logs in with a token of another issuer, such as the studio's own login. */
  async loginWithToken(token) {
    return this.#own(async () => this.#keeper.begin(await this.#http.post("external-login", { token })));
  }
  /** Logs in with a device: what `newDevice` made once, and the game has kept. */
  async loginWithDevice({ device_id, secret }) {
    return this.#own(async () => this.#keeper.begin(await this.#http.post("device-login", { device_id, secret })));
  }
  /** The account's other ways to log in: `{identities, has_password}`. */
  async identities() {
    return this.withToken(null, (token) => this.#http.get("account/identities", token));
  }
  /**
   * Links one more way to log in, `{token}` or a device. An account gives a `proof`: `{password}`, or one that is linked already. A
   * guest needs none, becomes a player, and goes on as that, as with `upgrade`.
   */
  async linkIdentity(identity, { proof, lobbies } = {}) {
    const rooms = (lobbies ?? this.#client.roomIds()).map((id) => roomId(id, this.#client.game));
    const call = (token) => this.#http.post("account/identities", { ...identity, proof, rooms }, token);
    return this.#own(async () => {
      const answer = await this.#call(call);
      return answer.token ? this.#keeper.begin(answer, true) : answer;
    });
  }
  /** Takes a way to log in from the account; all its other sessions end. */
  async unlinkIdentity({ issuer, subject }, { proof } = {}) {
    const path = `account/identities/${encodeURIComponent(issuer)}/${encodeURIComponent(subject)}`;
    await this.#own(() => this.#call((token) => this.#http.delete(path, { proof }, token)));
  }
  /**
   * Makes the guest that is logged in a player with an account, and goes on as that. What the guest has in lobbies goes over
   * to the new user id: in those where it has called or been, which the server knows, and in `lobbies`.
   */
  async upgrade(username, password, { lobbies } = {}) {
    const rooms = (lobbies ?? this.#client.roomIds()).map((id) => roomId(id, this.#client.game));
    const call = (token) => this.#http.post("account/upgrade", { username, password, rooms }, token);
    return this.#own(async () => this.#keeper.begin(await this.#call(call), true));
  }
  /** Changes the password; all other sessions of the account end. */
  async changePassword(oldPassword, newPassword) {
    const call = (token) => this.#http.post("account/password", { old: oldPassword, new: newPassword }, token);
    await this.#own(() => this.#call(call));
  }
  /**
   * Gives the account another name. `shown` is its password, or `{proof}` as in `linkIdentity`. Rooms see the name when the player
   * joins again. Gives `{user_id, username, role}`.
   */
  async rename(username, shown) {
    const call = (token) => this.#http.patch("account", { username, ...ownership(shown) }, token);
    return this.#own(async () => this.#keeper.rename(await this.#call(call)));
  }
  /** Deletes the account for good, and ends the session with all its rooms. `shown` is as in `rename`; a guest shows nothing. */
  async deleteAccount(shown) {
    const call = (token) => this.#http.delete("account", ownership(shown), token);
    await this.#own(async () => {
      await this.#call(call);
      await this.#keeper.forget();
    });
  }
  /** Sets another password by a code that the game's operator has sent; `login` comes after it. */
  async resetPassword(username, code, password) {
    await this.#http.post("account/reset", { username, code, password });
  }
  /** Whose session this is: `{user_id, username, role, expires_in}`. */
  async account() {
    return this.withToken(null, (token) => this.#http.get("account", token));
  }
  /** What is kept of the player for long, a page of it: `{documents, entries?, cursor?}`. */
  async data({ cursor, limit } = {}) {
    const query = new URLSearchParams({ ...cursor && { cursor }, ...limit && { limit } });
    return this.withToken(null, (token) => this.#http.get(`account/data?${query}`, token));
  }
  /** One document that the player may read: `{collection, key, version, owner, schema, updated_at, value}`. */
  async document(collection, key) {
    const path = [collection, ...String(key).split("/")].map(encodeURIComponent).join("/");
    return this.withToken(null, (token) => this.#http.get(`data/${path}`, token));
  }
  /** Forgets the session, ends its rooms, and ends it on the server. */
  async logout() {
    const { token } = this.#client;
    const session = this.#keeper.current;
    await this.#keeper.forget();
    if (token) await this.#own(() => this.#logout(token, session));
  }
  async #logout(token, session) {
    const post = (good) => this.#http.post("logout", {}, good);
    await post(token).catch(async (error) => {
      if (error.code === "token_expired" && session?.refresh_token) await post((await this.#keeper.present(session.refresh_token)).token);
      else if (error.status !== 401) throw error;
    });
  }
  /** Gets a new pair of tokens now. */
  async refresh() {
    await this.#ownCall;
    return this.#keeper.renew();
  }
  /** A token that is good for a while: the session's, refreshed if need be, or else `client.token`. */
  async freshToken() {
    await this.#ownCall;
    return this.#keeper.fresh();
  }
  /** The session's token was refused, or its socket closed for it: the next call refreshes it first. */
  distrust(token) {
    this.#keeper.distrust(token);
  }
  /** Whose token it is, as far as that can be told without asking. */
  userOf(token) {
    const { current } = this.#keeper;
    return token === current?.token ? current.user_id : claimedUser(token);
  }
  /** Calls with the token that was given, or without one (or with the session's own) with a fresh one. */
  async withToken(given, call) {
    if (given && given !== this.#keeper.current?.token) return call(given);
    await this.#ownCall;
    return this.#call(call);
  }
  /** Whether another token can be had in the place of one that the server wants no more. */
  renew(token, why) {
    if (this.#ownCall || token !== this.#client.token) return this.#ownCall !== null || this.#client.token !== null;
    const isOver = why.code === "session_ended" || /^session_ended/.test(why.closeReason);
    this.distrust(token);
    return !isOver && Boolean(this.#keeper.current?.refresh_token);
  }
  /** No other token can be had: ends the session, with all its rooms. Gives the error that says so. */
  over(error) {
    return this.#keeper.over(error);
  }
  async #call(call) {
    const token = await this.#keeper.fresh();
    if (!token) throw new GodraError("unauthorized", "No token: call auth.ensure(), auth.guestLogin() or auth.login() first, or pass one");
    try {
      return await call(token);
    } catch (error) {
      if (error.status !== 401) throw error;
      const isOwn = token === this.#keeper.current?.token;
      if (error.code === "session_ended" && isOwn) this.over(error);
      this.distrust(token);
      if (error.code !== "token_expired" || !this.#keeper.current?.refresh_token) throw error;
      return call(await this.#keeper.fresh());
    }
  }
  // One after the other.
  async #own(call) {
    const run = Promise.resolve(this.#ownCall).then(call);
    const settled = run.catch(() => {
    }).then(() => {
      if (this.#ownCall === settled) this.#ownCall = null;
    });
    this.#ownCall = settled;
    return run;
  }
};
function ownership(shown) {
  return typeof shown === "string" ? { password: shown } : { proof: shown?.proof };
}
function claimedUser(token) {
  try {
    return JSON.parse(atob(token.split(".")[1].replace(/-/g, "+").replace(/_/g, "/"))).user_id;
  } catch {
    return void 0;
  }
}

// src/emitter.js
var Emitter = class {
  #listeners = /* @__PURE__ */ new Map();
  #failed;
  #isOver = false;
  /** `failed(error, name)` is told what a callback throws, or rejects with. */
  constructor(failed = reportLater) {
    this.#failed = failed;
  }
  /** Gives back a function that ends it. */
  on(name, callback, { signal, once } = {}) {
    if (typeof callback !== "function") throw new TypeError("on(event, callback): the callback is not a function");
    if (signal?.aborted) return () => {
    };
    const listener = { callback, once };
    this.#listeners.set(name, [...this.#of(name), listener]);
    const end = () => {
      unwatch();
      this.#keep(name, (one) => one !== listener);
    };
    const unwatch = onAbort(signal, end);
    return listener.end = end;
  }
  /** Without a callback, for all callbacks of that name. */
  off(name, callback) {
    const gone = callback && this.#of(name).find((one) => one.callback === callback);
    this.#keep(name, (one) => callback && one !== gone);
  }
  has(name) {
    return this.#listeners.has(name);
  }
  emit(name, payload, event) {
    for (const listener of this.#of(name)) {
      if (this.#isOver) return;
      if (listener.once) listener.end();
      try {
        listener.callback(payload, event)?.catch?.((error) => this.#failed(error, name));
      } catch (error) {
        this.#failed(error, name);
      }
    }
  }
  /** Nobody hears anything any more, not even of what is being told now. */
  end() {
    this.#isOver = true;
  }
  #of(name) {
    return this.#listeners.get(name) ?? [];
  }
  #keep(name, isKept) {
    const left = this.#of(name).filter(isKept);
    if (left.length > 0) this.#listeners.set(name, left);
    else this.#listeners.delete(name);
  }
};

// src/clock.js
var ROUND_TRIPS = 5;
var SAMPLES = 10;
var Clock = class {
  #roundTrips = [];
  #samples = [];
  #offset = null;
  /** Median of the last round trips in milliseconds; null before the first. */
  get latencyMs() {
    const sorted = this.#roundTrips.slice(-ROUND_TRIPS).sort((a, b) => a - b);
    return sorted[sorted.length >> 1] ?? null;
  }
  /** Milliseconds since 1970 at the server; null if they are not known. */
  at(now) {
    return this.#offset === null ? null : now + this.#offset;
  }
  /** A new connection, perhaps to another server. */
  begin(serverNow, now) {
    this.#samples = [];
    this.#offset = serverNow === void 0 ? null : serverNow - now;
  }
  forget() {
    this.begin();
  }
  answered(sentAt, now, serverNow) {
    const roundTripMs = now - sentAt;
    this.#roundTrips = [...this.#roundTrips, roundTripMs].slice(-SAMPLES);
    if (typeof serverNow !== "number") return;
    this.#samples = [...this.#samples, { roundTripMs, offset: serverNow - (sentAt + now) / 2 }].slice(-SAMPLES);
    this.#offset = this.#samples.reduce((best, one) => one.roundTripMs < best.roundTripMs ? one : best).offset;
  }
};

// src/latest.js
var MAX_AGE_MS = 1e3;
var [SHORTEST_MS, LONGEST_MS] = [4, 1e4];
var MAX_KEYS = 1024;
var Latest = class {
  #env;
  #send;
  #intervalMs = null;
  /** key → { text, at, sentAt, cancel } */
  #keys = /* @__PURE__ */ new Map();
  /** How many keys it remembers. */
  get size() {
    return this.#keys.size;
  }
  /** `send(text)` says whether it was sent. */
  constructor(env, send) {
    this.#env = env;
    this.#send = send;
  }
  put(key, text) {
    if (this.#keys.size >= MAX_KEYS) this.#sweep();
    const slot = this.#keys.get(key) ?? { sentAt: -Infinity, cancel: null };
    this.#keys.set(key, slot);
    Object.assign(slot, { text, at: this.#env.now() });
    if (!slot.cancel) this.#flush(slot);
  }
  opened(intervalMs) {
    this.#intervalMs = Math.min(Math.max(intervalMs, SHORTEST_MS), LONGEST_MS);
    for (const slot of this.#keys.values()) {
      if (this.#env.now() - slot.at < MAX_AGE_MS) this.#flush(slot);
      else slot.text = null;
    }
  }
  lost() {
    this.#intervalMs = null;
    for (const slot of this.#keys.values()) {
      slot.cancel?.();
      slot.cancel = null;
    }
  }
  #sweep() {
    const now = this.#env.now();
    for (const [key, { text, at, cancel }] of this.#keys) {
      if (text === null || !cancel && now - at > MAX_AGE_MS) this.#keys.delete(key);
    }
  }
  #flush(slot) {
    if (this.#intervalMs === null || slot.text === null) return;
    const now = this.#env.now();
    let waitMs = slot.sentAt + this.#intervalMs - now;
    if (waitMs <= 0) {
      slot.sentAt = now;
      if (this.#send(slot.text)) slot.text = null;
      waitMs = this.#intervalMs;
      if (slot.text === null) return;
    }
    slot.cancel = this.#env.later(() => {
      slot.cancel = null;
      this.#flush(slot);
    }, waitMs);
  }
};

// src/message.js
var MAX_FRAME = 16 << 20;
var MAX_DEPTH = 256;
var isWhole = (value) => Number.isSafeInteger(value) && value >= 0;
var maybe = (is) => (value) => value === void 0 || is(value);
var isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);
var isNumber = (value) => typeof value === "number";
var has = (shape) => (value) => isObject(value) && Object.keys(shape).every((key) => shape[key](value[key]));
var SHAPES = new Map(Object.entries({
  welcome: has({
    payload: has({
      user_id: isText,
      username: maybe(isText),
      role: maybe(isText),
      game_id: maybe(isText),
      epoch: maybe(isText),
      seq: maybe(isWhole),
      n: maybe(isWhole),
      recovered: maybe((value) => typeof value === "boolean"),
      sync_interval_ms: maybe(isNumber),
      now: maybe(isNumber)
    })
  }),
  reply: has({ id: isWhole }),
  error: has({ id: maybe(isWhole), n: maybe(isWhole), payload: has({ code: isText, message: isText }) }),
  snapshot: has({ seq: isWhole, epoch: maybe(isText) }),
  batch: () => false
}));
var isEvent = (message) => message.seq === void 0 || isWhole(message.seq);
function* messagesOf(data) {
  const size = data.length ?? data.byteLength;
  if (size > MAX_FRAME) {
    yield bad(`The server sent a message of ${size} bytes`);
    return;
  }
  let message;
  try {
    const text = isText(data) ? data : new TextDecoder("utf-8", { fatal: true }).decode(data);
    if (text.length < MAX_DEPTH || !isDeep(text)) message = JSON.parse(text);
  } catch {
  }
  if (message === void 0) {
    yield bad("The server sent a message that is not JSON, or too deep");
    return;
  }
  if (message?.type !== "batch" || !Array.isArray(message.events)) yield checked(message);
  else for (const event of message.events) yield event?.type === "welcome" ? bad("The server sent a welcome in a batch", event) : checked(event);
}
function isDeep(text) {
  let depth = 0;
  for (let at = 0; at < text.length; at += 1) {
    const char = text.charCodeAt(at);
    if (char === 34) {
      for (at += 1; at < text.length && text.charCodeAt(at) !== 34; at += 1) if (text.charCodeAt(at) === 92) at += 1;
    } else if (char === 123 || char === 91) {
      depth += 1;
      if (depth > MAX_DEPTH) return true;
    } else if (char === 125 || char === 93) {
      depth -= 1;
    }
  }
  return false;
}
function checked(message) {
  if (!isObject(message)) return bad("The server sent a message that is not an object", message);
  if (!isText(message.type)) return bad("The server sent a message without a type", message);
  return (SHAPES.get(message.type) ?? isEvent)(message) ? message : bad(`The server sent a ${message.type} of a wrong shape`, message);
}
function bad(why, details) {
  return new GodraError("bad_message", why, { details });
}
function textOf(input, maxBytes) {
  let text;
  try {
    text = JSON.stringify(input.payload) !== void 0 && JSON.stringify(input);
  } catch {
  }
  const { action } = input;
  if (!text) throw new GodraError("bad_request", `The payload of ${action} cannot be written as JSON`, { outcome: "none" });
  if (text.length * 3 > maxBytes && new TextEncoder().encode(text).length > maxBytes) {
    throw new GodraError("too_large", `${action} has more than ${maxBytes} bytes`, { outcome: "none" });
  }
  return text;
}

// src/backoff.js
var LONGEST_MS2 = [
  [6e4, 800],
  [5 * 6e4, 5e3],
  [Infinity, 2e4]
];
var MAX_RETRY_AFTER_MS = 5 * 6e4;
function retryDelayMs({ attempt, goneMs, answers = 0, isGentle: isGentle2 = false, retryAfterS = 0 }, { firstDelayMs, maxDelayMs }, random2 = Math.random) {
  const doublings = answers > 0 ? Math.min(answers, attempt - 1) : attempt - 1;
  const longestMs = answers > 0 ? maxDelayMs : LONGEST_MS2.find(([untilMs]) => goneMs < untilMs)[1];
  const grownMs = Math.min(longestMs, firstDelayMs * 2 ** Math.min(doublings, 30));
  const ceilingMs = Math.min(maxDelayMs, isGentle2 ? Math.max(5 * firstDelayMs, grownMs) : grownMs);
  return Math.min(retryAfterS * 1e3, MAX_RETRY_AFTER_MS) + ceilingMs * (0.5 + random2() / 2);
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
  #textOf;
  #isOpen = false;
  #isNumbered = true;
  #nextN = 1;
  #epoch;
  #user;
  #refusals = 0;
  #cancelRetry = null;
  /** `send(text)` says whether it was sent; `later(run, delayMs)` gives back a function that cancels it. */
  constructor({ send, later = PLATFORM.later, random: random2 = Math.random, textOf: textOf2 = JSON.stringify }) {
    this.#send = send;
    this.#later = later;
    this.#random = random2;
    this.#textOf = textOf2;
  }
  /** Takes a request, and settles with its answer, whichever connection that comes by. Without `timeoutMs` it waits for it. */
  async add(id, action, payload, timeoutMs, signal) {
    if (!this.#isNumbered) throw unsupported(action);
    if (this.#waiting.length >= MAX_WAITING) {
      throw new GodraError("queue_full", `${MAX_WAITING} requests wait already: ${action} was not sent`, { outcome: "none" });
    }
    const text = this.#textOf({ action, payload, id });
    return new Promise((resolve, reject) => {
      const request = { id, action, text, n: null, epoch: null, isUnderWay: false, resolve, reject, cancelTimeout: null };
      this.#waiting.push(request);
      const late = () => this.#giveUp(request, new GodraError("timeout", `No reply to ${action} within ${timeoutMs} ms`));
      if (timeoutMs !== void 0) request.cancelTimeout = this.#later(late, timeoutMs);
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
  #giveUp(request, error) {
    if (request.n === null) this.#remove(request);
    request.reject(Object.assign(error, { outcome: outcomeOf2(request) }));
  }
  #failAll(isMeant, errorOf) {
    for (const request of this.#waiting.filter(isMeant)) {
      this.#remove(request);
      request.reject(errorOf(request.action, outcomeOf2(request)));
    }
  }
  #remove(request) {
    request.cancelTimeout?.();
    request.unwatch?.();
    this.#waiting = this.#waiting.filter((one) => one !== request);
  }
};
function outcomeOf2({ n }) {
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

// src/pending.js
var MAX_WAITING2 = 1024;
var Pending = class {
  #waiting = /* @__PURE__ */ new Map();
  #later;
  constructor(later = PLATFORM.later) {
    this.#later = later;
  }
  get isFull() {
    return this.#waiting.size >= MAX_WAITING2;
  }
  /** Resolves or rejects with the answer to `id`. */
  add(id, action, timeoutMs, signal) {
    return new Promise((resolve, reject) => {
      const give = (error) => () => this.#take(id)?.reject(Object.assign(error, { outcome: "unknown" }));
      const late = new GodraError("timeout", `No reply to ${action} within ${timeoutMs} ms`);
      const request = { action, resolve, reject, stopClock: this.#later(give(late), timeoutMs) };
      this.#waiting.set(id, request);
      request.unwatch = onAbort(signal, give(cancelled(`${action} was cancelled`)));
    });
  }
  /** Gives the action that was answered; undefined if nobody waits for this answer. */
  settle({ id, result = null }, error) {
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
    request?.stopClock();
    request?.unwatch?.();
    this.#waiting.delete(id);
    return request;
  }
};

// src/inputs.js
var Inputs = class {
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
    return action === void 0 ? error : null;
  }
  /** The answer to one of them makes no sense. */
  fail(id, error) {
    this.#outbox.settle({ id }, error) || this.#pending.settle({ id }, error);
  }
  #textOf(input) {
    return textOf(input, this.#settings.maxMessageBytes);
  }
};
function notConnected(action) {
  return new GodraError("disconnected", `Not connected: ${action} was not sent`, { outcome: "none" });
}

// src/lobbies.js
function pageOf(result) {
  const { lobbies, cursor = null } = (isText(result) ? parseJson(result) : result) ?? {};
  const isPage = Array.isArray(lobbies) && lobbies.every(isLobby) && (cursor === null || isText(cursor));
  if (!isPage) throw new GodraError("bad_response", "The answer has no list of lobbies");
  return { lobbies, cursor };
}
function isLobby(lobby) {
  return isText(lobby?.id) && [lobby.members, lobby.capacity, lobby.created_at].every(Number.isFinite);
}

// src/compat.js
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
    return this.#rpc(token, "join_lobby", [], [`game:${roomId(lobbyId, this.#client.game)}`]);
  }
  async leaveLobby(token, lobbyId) {
    return this.#rpc(token, "leave_lobby", [], [`game:${roomId(lobbyId, this.#client.game)}`]);
  }
  /** A page of the lobbies: `{lobbies: [{id, members, capacity, created_at}], cursor}`; the last one's cursor is null. */
  async listLobbies(token, { limit = LOBBIES_PER_PAGE, cursor } = {}) {
    return pageOf(await this.#rpc(token, "list_lobbies", cursor == null ? [limit] : [limit, cursor]));
  }
  #rpc(token, script, args, keys) {
    return this.#client.rpc(script, args, keys, { token });
  }
};
var LIFECYCLE = /* @__PURE__ */ new Set(["connected", "disconnected", "reconnecting", "state_update", "error"]);
var Realtime = class {
  #client;
  #open;
  #emitter;
  #room = null;
  #latencyMs = null;
  constructor(client, open) {
    this.#client = client;
    this.#open = open;
    this.#emitter = new Emitter();
  }
  /** Whether inputs can be sent now. */
  get connected() {
    return this.#room?.connection === "joined";
  }
  /** The last welcome's payload while connected, else null. */
  get welcome() {
    return this.connected ? this.#room.welcome : null;
  }
  /** The last measured round trip in milliseconds, or null. */
  get latencyMs() {
    return this.#latencyMs = this.#room?.latencyMs ?? this.#latencyMs;
  }
  /**
   * Joins a lobby; resolves with the welcome's payload. A connection that is already there is closed first.
   * `token` may be a function that gives a (fresh) token: it is called again before every reconnect. Null, or the
   * session's own token, stands for the session's, refreshed when need be.
   */
  async connect(token, lobbyId) {
    const id = roomId(lobbyId, this.#client.game);
    this.close();
    const { room, connection } = this.#open(id, this.#tokens(token));
    this.#room = room;
    this.#forward(room);
    await connection.join().catch((error) => {
      const isClose = error.code === "disconnected" && error.closeCode !== void 0;
      throw isClose ? new GodraError("closed", error.message, error) : error;
    });
    return room.welcome;
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
  sendInput(action, payload) {
    return this.#room?.send(action, payload) ?? false;
  }
  /**
   * Sends an input and resolves with what its script returned; rejects with the script's error. With `once` it waits for a
   * connection, and runs exactly once however often that is lost.
   */
  async request(action, payload, options) {
    if (!this.#room) throw notConnected(action);
    return this.#room.request(action, payload, options);
  }
  /** Measures a round trip to the server, in milliseconds. */
  async ping(options) {
    if (!this.#room) throw notConnected("heartbeat");
    return this.#room.ping(options);
  }
  /** Leaves: no reconnect follows. Does nothing when there is no connection. */
  close() {
    this.#room?.close();
  }
  // Without a refresh token there is nothing to refresh, and a token that has had its time is the end.
  #tokens(given) {
    const { auth } = this.#client;
    if (given == null || given === auth.session?.token) {
      if (auth.session?.refresh_token) return void 0;
      given = this.#client.token;
    }
    return {
      get: typeof given === "function" ? given : () => given,
      prepare() {
      },
      renew: () => typeof given === "function",
      over() {
      },
      userOf: (token) => auth.userOf(token)
    };
  }
  #forward(room) {
    const { latencyMs: _ } = this;
    let unseen = 0;
    const tell = (name, payload, event2) => room === this.#room && this.#emitter.emit(name, payload, event2);
    const event = (payload, message) => {
      if (!LIFECYCLE.has(message.type)) tell(message.type, payload, message);
      tell("state_update", message, message);
    };
    room.on("connected", (welcome, message) => {
      tell("connected", welcome, message);
      if (room.connection === "joined") event(welcome, message);
    });
    room.on("snapshot", event);
    room.onEvent(event);
    room.on("disconnected", ({ code, reason, willReconnect, cause }) => {
      unseen = 0;
      if (cause && !willReconnect && cause.closeReason === void 0) tell("error", cause);
      tell("disconnected", { code, reason, willReconnect });
    });
    room.on("reconnecting", ({ attempt, delayMs }) => {
      if (delayMs === 0) unseen = attempt;
      else tell("reconnecting", { attempt: attempt - unseen, delayMs });
    });
    room.on("error", (error, message) => {
      const wrong = error.details ?? {};
      if (wrong.type === "batch") event(wrong.payload, wrong);
      else if (wrong.type === "error") tell("error", new GodraError("error", "The server reported an error"), wrong);
      else tell("error", error, message);
    });
  }
};

// src/http.js
var REQUEST_TIMEOUT_MS = 1e4;
var Http = class {
  #base;
  #fetch;
  #timeoutMs;
  #underWay = /* @__PURE__ */ new Set();
  /** `base` ends with a slash. */
  constructor(base, options) {
    this.#base = base;
    this.#fetch = options.fetch ?? ((...args) => globalThis.fetch(...args));
    this.#timeoutMs = options.requestTimeoutMs ?? REQUEST_TIMEOUT_MS;
  }
  /** `limits`: `{signal, timeoutMs}` */
  async post(path, body, token, limits) {
    return this.#json(path, withBody("POST", body), token, limits);
  }
  async patch(path, body, token) {
    return this.#json(path, withBody("PATCH", body), token);
  }
  async delete(path, body, token) {
    return this.#json(path, withBody("DELETE", body), token);
  }
  async get(path, token) {
    return this.#json(path, { method: "GET", headers: {} }, token);
  }
  /** Whether the server takes players, and in how many seconds it may, where it says so. */
  async readiness() {
    return this.#send("ready", { method: "GET" }).then(
      ({ ok, headers }) => ({ isReady: ok, retryAfter: retryAfterOf(headers) }),
      () => ({ isReady: false })
    );
  }
  /** Cancels all calls that are under way. */
  close() {
    for (const cancel of this.#underWay) cancel();
  }
  /** The object that is answered; null with 204. */
  async #json(path, init, token, limits) {
    if (token) init.headers.Authorization = `Bearer ${token}`;
    const response = await this.#send(path, init, limits);
    if (!response.ok) throw errorOfResponse(response);
    if (response.status === 204) return null;
    if (typeof response.body !== "object" || response.body === null) {
      throw new GodraError("bad_response", `The answer to ${path} is not a JSON object`, { status: response.status, outcome: "unknown" });
    }
    return response.body;
  }
  // The time limit covers the body, too.
  async #send(path, init, { signal, timeoutMs = this.#timeoutMs } = {}) {
    const abort = new AbortController();
    let why = null;
    const stop = (error) => {
      why ??= error;
      abort.abort();
    };
    const cancel = () => stop(cancelled(`The call of ${path} was cancelled`));
    const timer = setTimeout(() => stop(new GodraError("timeout", `No answer to ${path} within ${timeoutMs} ms`)), timeoutMs);
    const unwatch = onAbort(signal, cancel);
    this.#underWay.add(cancel);
    try {
      const more = { signal: abort.signal, credentials: "omit", redirect: "manual" };
      const response = await this.#fetch(this.#base + path, { ...init, ...more });
      const text = await response.text();
      return { ok: response.ok, status: response.status, headers: response.headers, body: parseJson(text) };
    } catch (cause) {
      throw Object.assign(why ?? new GodraError("unavailable", `The server at ${this.#base} cannot be reached`, { cause }), { outcome: "unknown" });
    } finally {
      clearTimeout(timer);
      unwatch();
      this.#underWay.delete(cancel);
    }
  }
};
function withBody(method, body) {
  return { method, headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) };
}

// src/link.js
var CLOSE_LIMIT_MS = 1e3;
var Link = class {
  #socket;
  #handlers;
  #opened = false;
  #failure = "";
  #retryAfter;
  /** `handlers`: `received(data)`, and `ended({code, reason, opened})` once, if this side did not end it. */
  constructor(WebSocketClass, address, token, handlers) {
    this.#handlers = handlers;
    const socket = openSocket(WebSocketClass, address, ["godra", `bearer.${token}`]);
    this.#socket = socket;
    socket.binaryType = "arraybuffer";
    socket.onopen = () => {
      this.#opened = true;
      if (socket.protocol === "godra") return;
      this.#ended({ code: 1006, reason: "the server did not choose the subprotocol godra" });
      this.#close(4e3, "");
    };
    socket.on?.("unexpected-response", (request, { statusCode, headers }) => {
      this.#retryAfter = secondsOf(headers["retry-after"]);
      request.destroy(new Error(`Unexpected server response: ${statusCode}`));
    });
    socket.onmessage = ({ data }) => this.#handlers?.received(data);
    socket.onerror = (event) => {
      this.#failure = event?.message ?? "";
    };
    socket.onclose = ({ code, reason }) => this.#ended({ code, reason: reason || this.#failure });
  }
  send(text, maxBufferedBytes) {
    if (this.#socket.readyState !== 1 || this.#socket.bufferedAmount > maxBufferedBytes) return false;
    this.#socket.send(text);
    return true;
  }
  /** Ends it from this side, at once: a peer that is gone cannot take part in a closing handshake. */
  end(code, reason) {
    if (!this.#handlers) return;
    this.#handlers = null;
    this.#close(code, reason);
  }
  #close(code, reason) {
    const socket = this.#socket;
    if (socket.terminate) {
      const timer = setTimeout(() => socket.terminate(), CLOSE_LIMIT_MS);
      socket.onclose = () => clearTimeout(timer);
    }
    socket.close(code, reason);
  }
  #ended(end) {
    const handlers = this.#handlers;
    this.#handlers = null;
    handlers?.ended({ opened: this.#opened, retryAfter: this.#retryAfter, ...end });
  }
};
function openSocket(WebSocketClass, address, protocols) {
  try {
    return new WebSocketClass(address, protocols);
  } catch (cause) {
    const [code, why] = cause?.name === "SecurityError" ? ["refused", "The browser lets a page that came by https open wss addresses alone, and no port of another service"] : ["unauthorized", "The token is not one that the server gave: a WebSocket cannot carry it"];
    throw new GodraError(code, why, { cause });
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

// src/close-codes.js
var SHUTTING_DOWN = 1001;
var NO_STATUS = 1005;
var BROKEN = 1006;
var INTERNAL_ERROR = 1011;
var SERVICE_RESTART = 1012;
var TRY_AGAIN_LATER = 1013;
var BAD_GATEWAY = 1014;
var WILL_COME_BACK = 4e3;
var TOKEN_EXPIRED = 4001;
var RATE_LIMITED = 4003;
var COME_BACK = /* @__PURE__ */ new Set([SHUTTING_DOWN, NO_STATUS, BROKEN, INTERNAL_ERROR, SERVICE_RESTART, TRY_AGAIN_LATER, BAD_GATEWAY]);
function comesBack(code) {
  return COME_BACK.has(code) || code >= 4e3 && code <= 4499;
}
function isGentle(code) {
  return code === SHUTTING_DOWN || code === RATE_LIMITED;
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
var FINAL = [400, 403, 404];
var CLOSED_FOR_NOW = 4005;
var CLOSED_FOR_GOOD = 4505;
var REFUSED2 = "The server is up, but refused the WebSocket. Browsers do not say why: the token may have expired, or the lobby is full or does not exist. lobby.joinLobby() tells the reason";
var HINTS = {
  401: ": the token is not valid (any more)",
  403: ": the lobby is full or does not exist, or its script said no",
  503: ": it is full, or stopping"
};
function isOfToken({ status, code }) {
  return status === 401 || ["unauthorized", "token_expired", "session_ended"].includes(code);
}
function isRefusal(error) {
  return REFUSALS.has(error.code);
}
function isFinal({ status, closeCode, code }) {
  return FINAL.includes(status) || closeCode === CLOSED_FOR_GOOD || code === "no_websocket";
}
function isAnswer(error) {
  return isRefusal(error) || error.status !== void 0 || error.retryAfter !== void 0;
}
async function explain(end, refusal, http) {
  const { code: closeCode, reason, opened } = end;
  if (refusal) return errorOfRefusal(refusal, closeCode);
  if (closeCode === CLOSED_FOR_NOW || closeCode === CLOSED_FOR_GOOD) {
    return errorOfRefusal({ code: reason || "refused", message: `The server refused the WebSocket (${closeCode}: ${reason})` }, closeCode);
  }
  if (opened) return errorOfClose(end, "The server closed the connection before its welcome");
  const status = Number(/response: (\d{3})/.exec(reason)?.[1]) || void 0;
  if (status) {
    const message = `The server refused the WebSocket with HTTP status ${status}${HINTS[status] ?? ""}`;
    return new GodraError(codeOfStatus(status), message, { status, closeCode, retryAfter: end.retryAfter });
  }
  const { isReady, retryAfter } = await http.readiness();
  if (isReady) return new GodraError("refused", REFUSED2, { closeCode });
  return new GodraError("unavailable", "The server cannot be reached, or is not ready", { closeCode, retryAfter });
}

// src/attempt.js
var Attempt = class {
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
      ended: (end) => this.#ended(end)
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
    this.close(this.#isFirst ? 1e3 : WILL_COME_BACK, message);
    this.#end("failed", new GodraError("timeout", message), true);
  }
  #end(how, ...what) {
    const handlers = this.#handlers;
    this.abandon();
    handlers?.[how](...what);
  }
};

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
  #random;
  constructor(limits, random2) {
    this.#limits = limits;
    this.#random = random2;
  }
  opened(now) {
    this.#openedAt = now;
    this.#refusals = 0;
    this.#answers = 0;
  }
  lost(now) {
    if (this.count === 0 || now - this.#openedAt > (this.#limits.stableMs ?? STABLE_MS)) this.restart(now);
  }
  /** Begins from the start, as if the connection had been lost now. */
  restart(now) {
    this.count = 0;
    this.#lostAt = now;
  }
  failed(error) {
    if (isRefusal(error) || isFinal(error)) this.#refusals += 1;
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
    return { attempt: this.count, delayMs: retryDelayMs(about, this.#limits, this.#random) };
  }
};

// src/heartbeat.js
var Heartbeat = class {
  #env;
  #ping;
  #heardAt;
  #died;
  #everyMs;
  #cancel = () => {
  };
  /** The latest check; one that it overtook says nothing any more. */
  #check = null;
  /** `ping(options)` rejects with `timeout` without an answer; `heardAt()` is when anything was received; `died()` ends it. */
  constructor(env, { ping, heardAt, died, everyMs }) {
    this.#env = env;
    this.#ping = ping;
    this.#heardAt = heardAt;
    this.#died = died;
    this.#everyMs = everyMs;
  }
  start() {
    if (this.#everyMs) this.#cancel = this.#env.later(() => this.check(), this.#everyMs);
  }
  stop() {
    this.#cancel();
    this.#check = null;
  }
  /** Asks now. */
  async check(timeoutMs) {
    this.stop();
    const check = {};
    this.#check = check;
    const sentAt = this.#env.now();
    const answered = await this.#ping({ timeoutMs }).then(
      () => true,
      (error) => error.code !== "timeout"
    );
    if (this.#check !== check) return;
    if (answered || this.#heardAt() > sentAt) this.start();
    else this.#died();
  }
};

// src/connection.js
var WAKE_LIMIT_MS = 3e3;
var CLOSED = "closed by the client";
var Connection = class {
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
  #cancelRetry = () => {
  };
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
      everyMs: this.#settings.heartbeatMs
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
      const waiting = this.#waiting = { ...this.#attempts.next(now), delayMs: 0 };
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
    attempt?.close(1e3, CLOSED);
    this.#left();
    this.#room.log("info", "left the room", { code, reason });
    if (isJoining) this.#joining.reject(cause ?? cancelled());
    else this.#room.tell("disconnected", { code, reason, willReconnect: false, cause });
    this.#room.ended();
  }
  #endByDefault(cause) {
    return this.state === "rejoining" && cause && this.#firstEnd || { code: 1e3, reason: cause?.message ?? CLOSED };
  }
  #dial() {
    const isFirst = this.state === "joining";
    const { connectTimeoutMs, isCompat, joinOptions } = this.#settings;
    this.attempt = new Attempt(this.#env, connectTimeoutMs, isFirst, {
      received: (data) => this.#received(data),
      failed: (error, isOfServer) => this.#failed(error, isOfServer),
      lost: (end) => this.#lost(end)
    });
    const more = isFirst && isCompat ? {} : { refuse: "close" };
    if (joinOptions !== void 0) more.options = joinOptions;
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
      if (isClosed || isOfServer && isFinal(error) && this.#attempts.areRefused) this.end(error);
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
};

// src/listeners.js
var LIFECYCLE2 = /* @__PURE__ */ new Set(["connected", "disconnected", "reconnecting", "snapshot", "error", "change"]);
var ANY = /* @__PURE__ */ Symbol("any");
var ENDED = /* @__PURE__ */ Symbol("ended");
var MAX_BEHIND = 4096;
var Listeners = class {
  #life;
  #events;
  #later;
  constructor(failed, later) {
    this.#life = new Emitter(failed);
    this.#events = new Emitter(failed);
    this.#later = later;
  }
  on(name, callback, options) {
    return this.#of(name).on(name, callback, options);
  }
  off(name, callback) {
    this.#of(name).off(name, callback);
  }
  onEvent(name, callback, options) {
    return typeof name === "function" ? this.#events.on(ANY, name, callback) : this.#events.on(name, callback, options);
  }
  async next(name, { timeoutMs, signal, where = () => true } = {}) {
    const stops = [];
    try {
      return await new Promise((resolve, reject) => {
        const left = () => reject(new GodraError("disconnected", `The room was left before ${String(name)} came`));
        const late = () => reject(new GodraError("timeout", `No ${name} within ${timeoutMs} ms`));
        const seen = (payload, event = { type: name, payload }) => where(event) && resolve(event);
        stops.push(this.on(name, seen), this.#life.on(ENDED, left), onAbort(signal, () => reject(cancelled(`${name} is not awaited any more`))));
        if (timeoutMs !== void 0) stops.push(this.#later(late, timeoutMs));
      });
    } finally {
      for (const stop of stops) stop();
    }
  }
  async *events() {
    const queue = [];
    let wake = () => {
    };
    let end = null;
    const finish = (how) => {
      end = how;
      for (const stop of stops) stop();
      wake();
    };
    const take = (_payload, event) => {
      wake(queue.push(event));
      if (queue.length > MAX_BEHIND) finish(new GodraError("queue_full", `More than ${MAX_BEHIND} events wait to be taken`));
    };
    const stops = [this.onEvent(take), this.#life.on(ENDED, () => finish("left"))];
    try {
      for (; ; ) {
        if (queue.length > 0) yield queue.shift();
        else if (end instanceof GodraError) throw end;
        else if (end) return;
        else await new Promise((resolve) => wake = resolve);
      }
    } finally {
      finish("returned");
    }
  }
  /** Something of the SDK's own; says whether anybody listened. */
  tell(name, payload, event) {
    this.#life.emit(name, payload, event);
    return this.#life.has(name);
  }
  event(event) {
    this.#events.emit(event.type, event.payload, event);
    this.#events.emit(ANY, event.payload, event);
  }
  /** Nothing comes after this. */
  ended() {
    this.#life.emit(ENDED);
    this.#life.end();
    this.#events.end();
  }
  #of(name) {
    return LIFECYCLE2.has(name) ? this.#life : this.#events;
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

// src/replica.js
var Replica = class {
  state = null;
  /** Counts the changes of the state. */
  version = 0;
  #position = new Position();
  #reducers = /* @__PURE__ */ new Map();
  #isInDoubt = false;
  #failed;
  /** `failed(error, type)` is told what a reducer throws. */
  constructor(failed) {
    this.#failed = failed;
  }
  /** What a new connection goes on from; null if everything is to be sent anew. */
  get resume() {
    return this.#isInDoubt ? null : this.#position.resume;
  }
  /** `{type: (state, payload, event) => newState | undefined}` */
  reduce(reducers) {
    for (const [type, reducer] of Object.entries(reducers)) this.#reducers.set(type, reducer);
  }
  welcome(payload) {
    if (!payload.recovered || !this.#position.resume) this.#replace(payload.state);
    this.#position.welcome(payload);
  }
  snapshot(event) {
    this.#position.snapshot(event);
    this.#replace(event.payload);
  }
  /** Applies an event; false if it was there already. */
  event(event) {
    if (!this.#position.event(event)) return false;
    const reducer = this.#reducers.get(event.type);
    if (reducer) this.#apply(reducer, event);
    return true;
  }
  /** The server says that all events up to this one have been sent. */
  reached(seq) {
    this.#position.reached(seq);
  }
  /** Something was lost that may have been an event. */
  doubt() {
    this.#isInDoubt = true;
  }
  /** What one player has seen is not what another may see. */
  forget() {
    this.#position.forget();
  }
  #replace(state = null) {
    this.state = state;
    this.version += 1;
    this.#isInDoubt = false;
  }
  #apply(reducer, event) {
    try {
      const state = reducer(this.state, event.payload, event);
      if (state !== void 0) this.state = state;
      this.version += 1;
    } catch (error) {
      this.#failed(error, event.type);
    }
  }
};

// src/room.js
var RESYNC_EVERY_MS = 1e3;
var Room = class _Room {
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
  #warned = /* @__PURE__ */ new Set();
  #stats = { reconnects: 0, events: 0, framesReceived: 0, framesSent: 0, bytesReceived: 0, bytesSent: 0, droppedInputs: 0, droppedEvents: 0, badMessages: 0 };
  /** The room, and the connection, by which its client joins and ends it. */
  static open(id, { settings, tokens, env, left }) {
    const connection = new Connection({ settings, tokens, env, left });
    return { connection, room: new _Room(id, connection, { settings, env }) };
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
      log: (...entry) => this.#log(...entry)
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
    if (user !== void 0 && user !== this.#welcome?.user_id) this.#replica.forget();
    return { game_id: this.#id, ...this.#settings.resume ? this.#replica.resume : null };
  }
  #received(data) {
    const { attempt } = this.#connection;
    const { version } = this.#replica;
    this.#stats.framesReceived += 1;
    this.#stats.bytesReceived += data.length ?? data.byteLength;
    for (const message of messagesOf(data)) {
      this.#message(message);
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
      if (event.epoch !== void 0) this.#inputs.epochIs(event.epoch);
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
    if (error && (message.id === void 0 || this.#settings.isCompat)) this.#report(error, message);
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
    this.#inputs.request("resync").catch(() => {
    });
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
};

// src/settings.js
var DEFAULTS = {
  requestTimeoutMs: 1e4,
  connectTimeoutMs: 1e4,
  heartbeatMs: 2e4,
  maxBufferedBytes: 1 << 20,
  maxMessageBytes: 1 << 16,
  resume: true,
  onHandlerError: reportLater,
  logger: warn
};
var RECONNECT_DEFAULTS = {
  firstDelayMs: 200,
  maxDelayMs: 2e4,
  stableMs: 5e3,
  maxRefusals: 1
};
function settingsOf(options) {
  const reconnect = options.reconnect === false ? null : withDefaults(RECONNECT_DEFAULTS, options.reconnect);
  return { ...withDefaults(DEFAULTS, options), reconnect };
}
function warn(level, message, fields) {
  if (level === "warn") console.warn(`Godra: ${message}`, fields);
}

// src/wake.js
function isOffline() {
  return globalThis.navigator?.onLine === false;
}
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

// src/client.js
var GodraClient = class {
  #http;
  #settings;
  #env;
  #sessions;
  /** All rooms that live, as `{room, connection, isOfSession}`; and those of `join` by their id, with `joined` and `waiting`. */
  #all = /* @__PURE__ */ new Set();
  #rooms = /* @__PURE__ */ new Map();
  constructor(baseUrl, options = {}) {
    const base = parseBaseUrl(baseUrl);
    const settings = this.#settings = settingsOf(options);
    this.game = gameOf(options);
    this.#http = new Http(base.http, options);
    this.#env = {
      ...PLATFORM,
      onWake,
      isOffline,
      readiness: () => this.#http.readiness(),
      open: (token, query, handlers) => new Link(webSocketClass(options.WebSocket), `${base.ws}ws?${queryOf(query)}`, token, handlers)
    };
    if (options.simulate) this.#env.open = options.simulate(this.#env.open, PLATFORM);
    this.#sessions = new Emitter(settings.onHandlerError);
    if (options.onSession) this.onSession(options.onSession);
    this.token = options.token ?? null;
    this.auth = new Auth(this, this.#http, options, {
      changed: (session, cause) => this.#sessions.emit("session", session, cause),
      ended: (cause) => this.#endSession(cause),
      failed: (error) => settings.logger("warn", `The session's store failed: ${error.message}`, {})
    });
    this.lobby = new Lobby(this);
    this.realtime = new Realtime(this, (id, tokens) => this.#open(id, tokens, { isCompat: true, maxMessageBytes: Infinity }));
  }
  get session() {
    return this.auth.session;
  }
  /** Calls `callback(session, cause)` whenever the session changes; with null when it has ended, and why if not by the game. */
  onSession(callback) {
    return this.#sessions.on("session", callback);
  }
  /** Joins a lobby, and gives its room when it is there. One that this client is in already is given as it is. */
  async join(lobbyId, { signal, prepare, options } = {}) {
    const id = roomId(lobbyId, this.game);
    if (signal?.aborted) throw cancelled();
    const entry = this.#rooms.get(id) ?? this.#join(id, options);
    entry.waiting += 1;
    prepare?.(entry.room);
    return new Promise((resolve, reject) => {
      const unwatch = onAbort(signal, () => {
        reject(cancelled("The join was cancelled"));
        entry.waiting -= 1;
        if (entry.waiting === 0 && entry.room.connection === "joining") entry.room.close();
      });
      entry.joined.then(resolve, reject).finally(unwatch);
    });
  }
  /** Makes a lobby and joins it. */
  async createRoom({ capacity, settings, signal, prepare, options } = {}) {
    const args = settings === void 0 ? [capacity] : [capacity ?? 4, settings];
    const id = await this.rpc("create_lobby", args.filter((one) => one !== void 0), { signal });
    if (typeof id !== "string") throw new GodraError("bad_response", "The answer to create_lobby has no id");
    return this.join(id, { signal, prepare, options });
  }
  /** A page of the lobbies, the newest first: `{lobbies, cursor}`; the last one's cursor is null. */
  async listRooms({ limit = 20, cursor, signal } = {}) {
    return pageOf(await this.rpc("list_lobbies", cursor == null ? [limit] : [limit, cursor], { signal }));
  }
  /** All lobbies, page by page as they are taken. */
  async *rooms(options) {
    let cursor;
    do {
      const page = await this.listRooms({ ...options, cursor });
      yield* page.lobbies;
      if (page.cursor === cursor) return;
      cursor = page.cursor;
    } while (cursor !== null);
  }
  /** Runs a script by RPC and resolves with its result. `options`: `{keys, signal, timeoutMs}`, or the keys alone. */
  async rpc(script, args = [], options = {}, { token } = {}) {
    const { keys, signal, timeoutMs } = Array.isArray(options) ? { keys: options } : options ?? {};
    const call = (good) => this.#http.post("api/rpc", { script, game: this.game || void 0, args, keys }, good, { signal, timeoutMs });
    const body = await this.auth.withToken(token, call);
    if (!("result" in body)) throw new GodraError("bad_response", "The answer to an RPC has no result");
    return body.result;
  }
  /** The network is back, or the app: for platforms that do not tell by themselves, such as React Native. */
  checkNow() {
    for (const { room } of this.#all) room.checkNow();
  }
  /** Ends all connections and calls. The session is kept. */
  async close() {
    for (const { room } of [...this.#all]) room.close();
    this.#http.close();
  }
  /** The ids of the rooms that this client is in with its session. */
  roomIds() {
    return [...this.#all].filter(({ connection }) => connection.state !== "joining").map(({ room }) => room.id);
  }
  #join(id, options) {
    const entry = this.#open(id, this.#tokens(), { joinOptions: optionsText(options) });
    const joined = entry.connection.join().then(() => entry.room);
    joined.catch(() => {
    });
    Object.assign(entry, { waiting: 0, joined });
    this.#rooms.set(id, entry);
    return entry;
  }
  #open(id, tokens = this.#tokens(), more = {}) {
    const left = () => {
      this.#all.delete(entry);
      if (this.#rooms.get(id) === entry) this.#rooms.delete(id);
    };
    const settings = { ...this.#settings, ...more };
    const env = { ...this.#env, leaveLobby: () => this.lobby.leaveLobby(null, id) };
    const entry = { ...Room.open(id, { settings, tokens, env, left }), isOfSession: tokens.isOfSession };
    this.#all.add(entry);
    return entry;
  }
  #tokens() {
    return {
      isOfSession: true,
      get: () => this.auth.freshToken(),
      prepare: () => this.auth.freshToken().catch(() => {
      }),
      renew: (token, why) => this.auth.renew(token, why),
      over: (why) => this.auth.over(why),
      userOf: (token) => this.auth.userOf(token)
    };
  }
  #endSession(cause) {
    for (const { connection, isOfSession } of [...this.#all]) if (isOfSession) connection.end(cause);
  }
};

// src/device.js
function newDevice() {
  return { device_id: random(16), secret: random(32) };
}
function random(bytes) {
  const text = btoa(String.fromCharCode(...crypto.getRandomValues(new Uint8Array(bytes))));
  return text.replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

// src/session-store.js
function memoryStore() {
  let kept = null;
  let last = Promise.resolve();
  return {
    load: () => kept,
    save: (session) => void (kept = session),
    clear: () => void (kept = null),
    lock: (run) => last = last.then(run, run)
  };
}
function localStorageStore(key = "godra.session") {
  return {
    load: () => parseJson(localStorage.getItem(key)),
    save: (session) => localStorage.setItem(key, JSON.stringify(session)),
    clear: () => localStorage.removeItem(key),
    lock: (run) => globalThis.navigator?.locks ? navigator.locks.request(key, run) : run()
  };
}
export {
  GodraClient,
  GodraError,
  Room,
  localStorageStore,
  memoryStore,
  newDevice
};
