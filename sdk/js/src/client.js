// A server, and what one player does there: the one object that games make.

import { gameOf, optionsText, parseBaseUrl, queryOf, roomId } from "./address.js";
import { Auth } from "./auth.js";
import { Lobby, Realtime } from "./compat.js";
import { Emitter } from "./emitter.js";
import { GodraError, cancelled } from "./errors.js";
import { Http } from "./http.js";
import { Link, webSocketClass } from "./link.js";
import { pageOf } from "./lobbies.js";
import { Room } from "./room.js";
import { settingsOf } from "./settings.js";
import { PLATFORM, onAbort } from "./util.js";
import { isOffline, onWake } from "./wake.js";

export class GodraClient {
  #http;
  #settings;
  #env;
  #sessions;
  /** All rooms that live, as `{room, connection, isOfSession}`; and those of `join` by their id, with `joined` and `waiting`. */
  #all = new Set();
  #rooms = new Map();

  constructor(baseUrl, options = {}) {
    const base = parseBaseUrl(baseUrl);
    const settings = (this.#settings = settingsOf(options));
    /** The game on the server; empty for the default one. */
    this.game = gameOf(options);
    this.#http = new Http(base.http, options);
    this.#env = {
      ...PLATFORM,
      onWake,
      isOffline,
      readiness: () => this.#http.readiness(),
      open: (token, query, handlers) => new Link(webSocketClass(options.WebSocket), `${base.ws}ws?${queryOf(query)}`, token, handlers),
    };
    if (options.simulate) this.#env.open = options.simulate(this.#env.open, PLATFORM);
    this.#sessions = new Emitter(settings.onHandlerError);
    if (options.onSession) this.onSession(options.onSession);
    /** Used where a call is given no token; every login sets it. */
    this.token = options.token ?? null;
    this.auth = new Auth(this, this.#http, options, {
      changed: (session, cause) => this.#sessions.emit("session", session, cause),
      ended: (cause) => this.#endSession(cause),
      failed: (error) => settings.logger("warn", `The session's store failed: ${error.message}`, {}),
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
    const args = settings === undefined ? [capacity] : [capacity ?? 4, settings];
    const id = await this.rpc("create_lobby", args.filter((one) => one !== undefined), { signal });
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
    const call = (good) => this.#http.post("api/rpc", { script, game: this.game || undefined, args, keys }, good, { signal, timeoutMs });
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
    // A session that ends may end it before anybody waits.
    joined.catch(() => {});
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
      prepare: () => this.auth.freshToken().catch(() => {}),
      renew: (token, why) => this.auth.renew(token, why),
      over: (why) => this.auth.over(why),
      userOf: (token) => this.auth.userOf(token),
    };
  }

  #endSession(cause) {
    for (const { connection, isOfSession } of [...this.#all]) if (isOfSession) connection.end(cause);
  }
}
