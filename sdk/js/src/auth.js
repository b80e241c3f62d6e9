// Logins, and the session that follows from one.

import { roomId } from "./address.js";
import { GodraError, isText } from "./errors.js";
import { PLATFORM } from "./util.js";

/** So long before its end a token is refreshed, or a tenth of its time if that is less. */
const REFRESH_EARLY_MS = 60_000;
/** With these a refresh is refused for good. */
const REFUSED = [400, 401, 403];

/**
 * Logins, and the session that follows from one: an access token, and a refresh token that is good once. A session is
 * refreshed when a call needs its token and that is near its end, or was refused.
 */
export class Auth {
  #client;
  #http;
  #store;
  /** `changed(session, cause)`, `ended(cause)`: the second one for all that is of the session before. */
  #tell;
  #session = null;
  /** By the clock that never jumps. */
  #staleAt = 0;
  #refreshing = null;
  /** A login, logout, upgrade or change of password of our own: nothing is refreshed before it is answered. */
  #ownCall = null;
  /** A session that was kept is looked at before a game relies on it. */
  #isKept = false;
  #ensuring = null;

  constructor(client, http, { session, store }, tell) {
    this.#client = client;
    this.#http = http;
    this.#store = store;
    this.#tell = tell;
    if (!session) return;
    this.#take({ ...session });
    this.#isKept = true;
  }

  /** What is to be kept so that a later client can go on (the option `session`); null without a login. */
  get session() {
    return this.#session && { ...this.#session };
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
    if (this.#session && this.#isKept) await this.account().catch((error) => this.#keepFor(error));
    this.#isKept = false;
    if (!this.#session) await this.guestLogin();
    return this.session;
  }

  /** Takes the session out of the store, if there is none yet; gives the session, or null. */
  async restore() {
    const kept = this.#session ? null : await this.#load();
    if (kept && !this.#session) this.#set(kept);
    if (kept) this.#isKept = true;
    return this.session;
  }

  /** Logs in as a guest. */
  async guestLogin() {
    return this.#own(async () => this.#begin(await this.#http.post("guest-login", {})));
  }

  /** Makes an account; `login` comes after it. */
  async register(username, password) {
    return this.#http.post("register", { username, password });
  }

  async login(username, password) {
    return this.#own(async () => this.#begin(await this.#http.post("login", { username, password })));
  }

  /**
   * Makes the guest that is logged in a player with an account, and goes on as that. What the guest has in lobbies goes over
   * to the new user id: in those where it has called or been, which the server knows, and in `lobbies`.
   */
  async upgrade(username, password, { lobbies } = {}) {
    const rooms = (lobbies ?? this.#client.roomIds()).map(roomId);
    const call = (token) => this.#http.post("account/upgrade", { username, password, rooms }, token);
    return this.#own(async () => this.#begin(await this.#withFresh(call), true));
  }

  /** Changes the password; all other sessions of the account end. */
  async changePassword(oldPassword, newPassword) {
    const call = (token) => this.#http.post("account/password", { old: oldPassword, new: newPassword }, token);
    await this.#own(() => this.#withFresh(call));
  }

  /** Whose session this is: `{user_id, username, role, expires_in}`. */
  async account() {
    return this.withToken(null, (token) => this.#http.get("account", token));
  }

  /** Forgets the session, ends its rooms, and ends it on the server. */
  async logout() {
    const session = this.#session;
    const token = this.#client.token;
    this.#client.token = null;
    this.#set(null);
    await this.#save(null);
    this.#tell.ended(new GodraError("session_ended", "Logged out"));
    if (token) await this.#own(() => this.#logout(token, session));
  }

  async #logout(token, session) {
    try {
      await this.#http.post("logout", {}, token);
    } catch (error) {
      if (error.code === "token_expired" && session?.refresh_token) await this.#http.post("logout", {}, (await this.#present(session.refresh_token)).token);
      // A session that is over already is what was wanted.
      else if (error.status !== 401) throw error;
    }
  }

  /** Gets a new pair of tokens now. Calls at the same time share one: a refresh token is good once. */
  async refresh() {
    await this.#ownCall;
    return this.#renew();
  }

  /** A token that is good for a while: the session's, refreshed if need be, or else `client.token`. */
  async freshToken() {
    await this.#ownCall;
    return this.#fresh();
  }

  /** The session's token was refused, or its socket closed for it: the next call refreshes it first. */
  distrust(token) {
    if (token === this.#session?.token) this.#staleAt = 0;
  }

  /** Whose token it is, as far as that can be told without asking. */
  userOf(token) {
    return token === this.#session?.token ? this.#session.user_id : claimedUser(token);
  }

  /** Calls with the token that was given, or without one (or with the session's own) with a fresh one. */
  async withToken(given, call) {
    if (given && given !== this.#session?.token) return call(given);
    await this.#ownCall;
    return this.#withFresh(call);
  }

  /** Whether another token can be had in the place of one that the server wants no more. */
  renew(token, why) {
    if (this.#ownCall || token !== this.#client.token) return this.#ownCall !== null || this.#client.token !== null;
    const isOver = why.code === "session_ended" || /^session_ended/.test(why.closeReason ?? "");
    this.distrust(token);
    return !isOver && Boolean(this.#session?.refresh_token);
  }

  /** No other token can be had: ends the session, with all its rooms. Gives the error that says so. */
  over(error) {
    const cause = error.code === "session_ended" ? error : new GodraError("session_ended", `The session is over: ${error.message}`, { status: error.status, closeCode: error.closeCode, cause: error });
    if (this.#session) {
      if (this.#client.token === this.#session.token) this.#client.token = null;
      this.#forget(this.#session);
      this.#set(null, cause);
      this.#tell.ended(cause);
    }
    return cause;
  }

  async #withFresh(call) {
    const token = await this.#fresh();
    if (!token) throw new GodraError("unauthorized", "No token: call auth.ensure(), auth.guestLogin() or auth.login() first, or pass one");
    try {
      return await call(token);
    } catch (error) {
      if (error.status !== 401) throw error;
      if (error.code === "session_ended" && token === this.#session?.token) this.over(error);
      this.distrust(token);
      // Servers before this code pass on what a script says, after it ran: then the call is not made again by itself.
      if (error.code !== "token_expired" || !this.#session?.refresh_token) throw error;
      return call(await this.#fresh());
    }
  }

  async #fresh() {
    if (this.#refreshing) await this.#refreshing;
    const session = this.#session;
    if (session?.refresh_token && session.token === this.#client.token && this.#isStale(session)) await this.#renew();
    return this.#client.token;
  }

  #isStale({ expires_at }) {
    // The date may be wrong, and set; the other clock may stand still while the device sleeps.
    return PLATFORM.now() >= this.#staleAt || Date.now() >= expires_at;
  }

  async #renew() {
    if (!this.#session?.refresh_token) throw loggedOut();
    const refresh = () => this.#refresh(this.#session);
    this.#refreshing ??= Promise.resolve(this.#store?.lock ? this.#store.lock(refresh) : refresh()).finally(() => {
      this.#refreshing = null;
    });
    return this.#refreshing;
  }

  async #refresh(before) {
    const kept = await this.#load();
    const isNewer = kept && kept.user_id === before?.user_id && kept.refresh_token !== before.refresh_token;
    // Another tab was faster.
    if (isNewer && before === this.#session && !this.#isStale(this.#set(kept))) return kept;
    const session = this.#session;
    if (!session) throw loggedOut();
    try {
      const login = await this.#present(session.refresh_token);
      // A logout or another login meanwhile has the last word.
      return session === this.#session ? await this.#begin(login) : login;
    } catch (error) {
      if (REFUSED.includes(error.status) && session === this.#session) this.over(error);
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

  async #own(call) {
    const before = this.#ownCall;
    const run = (async () => {
      await before;
      return call();
    })();
    const settled = run.then(() => {}, () => {}).then(() => {
      if (this.#ownCall === settled) this.#ownCall = null;
    });
    this.#ownCall = settled;
    return run;
  }

  async #begin(login, isSamePlayer = false) {
    const isLogin = isText(login.token) && isText(login.user_id) && typeof login.expires_in === "number";
    // Servers may give none.
    if (!isLogin || !isText(login.refresh_token ?? "")) throw new GodraError("bad_response", "The login's answer is none");
    const before = this.#session;
    const session = { ...login, expires_at: Date.now() + login.expires_in * 1000 };
    await this.#save(session);
    if (before && !isSamePlayer && before.user_id !== login.user_id) {
      this.#set(null);
      this.#tell.ended(new GodraError("session_ended", "Another player has logged in"));
    }
    this.#set(session);
    return login;
  }

  #take(session) {
    const leftMs = session.expires_at - Date.now();
    const earlyMs = Math.min(REFRESH_EARLY_MS, (session.expires_in * 1000 || leftMs) / 10);
    this.#session = session;
    this.#staleAt = PLATFORM.now() + leftMs - earlyMs;
    this.#client.token = session.token;
  }

  #set(session, cause) {
    if (session) this.#take(session);
    else this.#session = null;
    this.#tell.changed(this.session, cause);
    return session;
  }

  #keepFor(error) {
    if (error.status === 401) this.over(error);
    else if (error.status === undefined && this.#session) throw error;
  }

  async #load() {
    const kept = await this.#tried(() => this.#store?.load());
    return isText(kept?.token) && isText(kept.user_id) && typeof kept.expires_at === "number" ? { ...kept } : null;
  }

  async #save(session) {
    await this.#tried(() => (session ? this.#store?.save({ ...session }) : this.#store?.clear()));
  }

  // Another tab may have logged in anew.
  async #forget(session) {
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
}

function loggedOut() {
  return new GodraError("unauthorized", "No session to refresh: log in first");
}

/** A JWT says whose it is, to everyone. */
function claimedUser(token) {
  try {
    return JSON.parse(atob(token.split(".")[1].replace(/-/g, "+").replace(/_/g, "/"))).user_id;
  } catch {
    return undefined;
  }
}
