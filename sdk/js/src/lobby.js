// Calls of the stock scripts about lobbies.

import { GodraError } from "./errors.js";
import { parseJson } from "./util.js";

const LOBBIES_PER_PAGE = 20;

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
    return this.#rpc(token, "join_lobby", [], [lobbyKey(lobbyId)]);
  }

  async leaveLobby(token, lobbyId) {
    return this.#rpc(token, "leave_lobby", [], [lobbyKey(lobbyId)]);
  }

  /** A page of the lobbies: `{lobbies: [{id, members, capacity, created_at}], cursor}`; the last one's cursor is null. */
  async listLobbies(token, { limit = LOBBIES_PER_PAGE, cursor } = {}) {
    const page = await this.#rpc(token, "list_lobbies", cursor == null ? [limit] : [limit, cursor]);
    // Lua cannot tell an empty list from an empty object, so scripts answer with JSON that they wrote themselves.
    const parsed = typeof page === "string" ? parseJson(page) : page;
    if (!Array.isArray(parsed?.lobbies)) throw new GodraError("bad_response", "The answer has no list of lobbies");
    return parsed;
  }

  #rpc(token, script, args, keys) {
    return this.#client.rpc(script, args, keys, { token });
  }
}

/** `game:` and the id, for an id with or without that prefix. */
export function lobbyKey(lobbyId) {
  const id = typeof lobbyId === "string" ? lobbyId.replace(/^game:/, "") : "";
  if (/^[A-Za-z0-9_-]{1,64}$/.test(id)) return `game:${id}`;
  throw new GodraError("bad_request", "A lobby id is 1 to 64 letters, digits, underscores and hyphens");
}
