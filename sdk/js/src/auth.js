// Logins, and calls in the name of whoever is logged in.

import { roomId } from "./address.js";
import { GodraError } from "./errors.js";
import { SessionKeeper } from "./session.js";

export class Auth {
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
    else if (error.status === undefined && this.#keeper.current) throw error;
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
    const query = new URLSearchParams({ ...(cursor && { cursor }), ...(limit && { limit }) });
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
      // A session that is over already is what was wanted.
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
      // Servers before this code pass on what a script says, after it ran: then the call is not made again by itself.
      if (error.code !== "token_expired" || !this.#keeper.current?.refresh_token) throw error;
      return call(await this.#keeper.fresh());
    }
  }

  // One after the other.
  async #own(call) {
    const run = Promise.resolve(this.#ownCall).then(call);
    const settled = run.catch(() => {}).then(() => {
      if (this.#ownCall === settled) this.#ownCall = null;
    });
    this.#ownCall = settled;
    return run;
  }
}

/** What shows that an account is one's own, as it is sent. */
function ownership(shown) {
  return typeof shown === "string" ? { password: shown } : { proof: shown?.proof };
}

/** A JWT says whose it is, to everyone. */
function claimedUser(token) {
  try {
    return JSON.parse(atob(token.split(".")[1].replace(/-/g, "+").replace(/_/g, "/"))).user_id;
  } catch {
    return undefined;
  }
}
