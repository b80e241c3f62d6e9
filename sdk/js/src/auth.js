// Logins, and the session that follows from one.

import { GodraError } from "./errors.js";
import { lobbyKey } from "./lobby.js";
import { reportLater } from "./util.js";

/** So long before its end a token is refreshed, or a tenth of its time if that is less. */
const REFRESH_EARLY_MS = 60_000;

/**
 * Logins, and the session that follows from one: an access token, and a refresh token that is good once. A session is
 * refreshed when a call needs its token and that is near its end, or was refused.
 */
export class Auth {
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
      // Servers before the codes token_expired and session_ended pass on what a script says, after it ran: the call is not
      // made again by itself.
      if (error.status === 401) this.distrust(token);
      throw error;
    }
  }

  #wantsRefresh({ expires_at, expires_in }) {
    const earlyMs = Math.min(REFRESH_EARLY_MS, (expires_in * 1000) / 10);
    return this.#stale || Date.now() >= expires_at - earlyMs;
  }

  async #refresh(session) {
    try {
      const login = await this.#present(session.refresh_token);
      // A logout or another login meanwhile has the last word.
      return session === this.#session ? this.#begin(login) : login;
    } catch (error) {
      // Refused for good: banned, logged out elsewhere, or too old.
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
    this.#set({ ...login, expires_at: Date.now() + login.expires_in * 1000 });
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
}

/** A JWT says whose it is, to everyone. */
function claimedUser(token) {
  try {
    return JSON.parse(atob(token.split(".")[1].replace(/-/g, "+").replace(/_/g, "/"))).user_id;
  } catch {
    return undefined;
  }
}
