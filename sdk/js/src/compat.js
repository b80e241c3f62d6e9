// The calls of this SDK before it had rooms: `client.lobby` and `client.realtime`, as thin covers. They go on as they were.

import { roomId } from "./address.js";
import { Emitter } from "./emitter.js";
import { GodraError } from "./errors.js";
import { notConnected } from "./inputs.js";
import { pageOf } from "./lobbies.js";

const LOBBIES_PER_PAGE = 20;

/** Calls of the stock scripts about lobbies. */
export class Lobby {
  #client;

  constructor(client) {
    this.#client = client;
  }

  /** Makes a lobby; resolves with its id as the server says it (`game:` and the id). */
  async createLobby(token, maxPlayers) {
    return this.#rpc(token, "create_lobby", maxPlayers === undefined ? [] : [maxPlayers]);
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
}

/** These names are the SDK's own: a script's event of the same name goes to `state_update` alone. */
const LIFECYCLE = new Set(["connected", "disconnected", "reconnecting", "state_update", "error"]);

/** One room at a time. */
export class Realtime {
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
    return (this.#latencyMs = this.#room?.latencyMs ?? this.#latencyMs);
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
      const isClose = error.code === "disconnected" && error.closeCode !== undefined;
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
      if (auth.session?.refresh_token) return undefined;
      given = this.#client.token;
    }
    return {
      get: typeof given === "function" ? given : () => given,
      prepare() {},
      renew: () => typeof given === "function",
      over() {},
      userOf: (token) => auth.userOf(token),
    };
  }

  #forward(room) {
    const { latencyMs: _ } = this;
    let unseen = 0;
    const tell = (name, payload, event) => room === this.#room && this.#emitter.emit(name, payload, event);
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
      // So a refusal was told that ended the attempts.
      if (cause && !willReconnect && cause.closeReason === undefined) tell("error", cause);
      tell("disconnected", { code, reason, willReconnect });
    });
    room.on("reconnecting", ({ attempt, delayMs }) => {
      // An attempt at once was not told.
      if (delayMs === 0) unseen = attempt;
      else tell("reconnecting", { attempt: attempt - unseen, delayMs });
    });
    room.on("error", (error, message) => {
      // What has a type, and is nothing else, passed for an event.
      const wrong = error.details ?? {};
      if (wrong.type === "batch") event(wrong.payload, wrong);
      else if (wrong.type === "error") tell("error", new GodraError("error", "The server reported an error"), wrong);
      else tell("error", error, message);
    });
  }
}
