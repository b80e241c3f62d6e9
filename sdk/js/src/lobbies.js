// What the stock scripts say of lobbies.

import { GodraError, isText } from "./errors.js";
import { parseJson } from "./util.js";

export function pageOf(result) {
  // Lua cannot tell an empty list from an empty object, so scripts answer with JSON that they wrote themselves.
  const { lobbies, cursor = null } = (isText(result) ? parseJson(result) : result) ?? {};
  const isPage = Array.isArray(lobbies) && lobbies.every(isLobby) && (cursor === null || isText(cursor));
  if (!isPage) throw new GodraError("bad_response", "The answer has no list of lobbies");
  return { lobbies, cursor };
}

function isLobby(lobby) {
  return isText(lobby?.id) && [lobby.members, lobby.capacity, lobby.created_at].every(Number.isFinite);
}
