// The session that a client has: which tokens, until when, and where they are kept. Who logs in, and when, is auth.js's affair.

import { GodraError, isText } from "./errors.js";
import { PLATFORM } from "./util.js";

/** So long before its end a token is refreshed, or a tenth of its time if that is less. */
const REFRESH_EARLY_MS = 60_000;
/** With these a refresh is refused for good. */
const REFUSED = [400, 401, 403];

export class SessionKeeper {
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
    const earlyMs = Math.min(REFRESH_EARLY_MS, (session.expires_in * 1000 || leftMs) / 10);
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
    // Servers may give no refresh token.
    const isLogin = isText(login.token) && isText(login.user_id) && typeof login.expires_in === "number" && isText(login.refresh_token ?? "");
    if (!isLogin) throw new GodraError("bad_response", "The login's answer is none");
    const before = this.current;
    const session = { ...login, expires_at: Date.now() + login.expires_in * 1000 };
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
    // Another tab was faster.
    if (isNewer && before === this.current && !this.#isStale(this.#set(kept))) return kept;
    const session = this.current;
    if (!session?.refresh_token) throw new GodraError("unauthorized", "No session to refresh: log in first");
    try {
      const login = await this.present(session.refresh_token);
      // A logout or another login meanwhile has the last word.
      return session === this.current ? await this.begin(login) : login;
    } catch (error) {
      if (REFUSED.includes(error.status) && session === this.current) this.over(error);
      throw error;
    }
  }

  #isStale({ expires_at }) {
    // The date may be wrong, and set; the other clock may stand still while the device sleeps.
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
    await this.#tried(() => (session ? this.#store?.save({ ...session }) : this.#store?.clear()));
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
}
