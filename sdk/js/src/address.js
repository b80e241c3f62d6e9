// Addresses of the server. By hand, as React Native's URL has no setters.

import { GodraError } from "./errors.js";

const MAX_OPTIONS_BYTES = 1024;

/** `http(base)` and `ws(base)` end with a slash. */
export function parseBaseUrl(given = globalThis.location?.origin) {
  const [, scheme, rest] = /^(https?|wss?):\/\/([^/?#\s]+[^?#\s]*)/i.exec(String(given)) ?? [];
  if (!scheme) {
    const hint = given === "null" ? ": a page or worker without an address of its own has to name the server's" : "";
    throw new TypeError(`new GodraClient(baseUrl): not an http(s) address: ${given}${hint}`);
  }
  const isSecure = /^(https|wss)$/i.test(scheme) ? "s" : "";
  const path = rest.endsWith("/") ? rest : `${rest}/`;
  return { http: `http${isSecure}://${path}`, ws: `ws${isSecure}://${path}` };
}

export function queryOf(parameters) {
  return Object.entries(parameters).map((pair) => pair.map(encodeURIComponent).join("=")).join("&");
}

/** What the room's script is told at each connection; undefined for nothing. */
export function optionsText(options) {
  if (options === undefined) return undefined;
  const text = options !== null && typeof options === "object" && !Array.isArray(options) ? JSON.stringify(options) : "";
  if (!text.startsWith("{") || new TextEncoder().encode(text).length > MAX_OPTIONS_BYTES) {
    throw new GodraError("bad_request", `The options of a join are an object of at most ${MAX_OPTIONS_BYTES} bytes of JSON`);
  }
  return text;
}

/**
 * A lobby's id without `game:`, for one with or without that prefix. In any game but the default one its name and `~` are in front,
 * which may be left out here.
 */
export function roomId(lobbyId, game = "") {
  const [, named = game, id] = /^(?:game:)?(?:([a-z][a-z0-9_-]{0,31})~)?([\w-]{1,64})$/.exec(lobbyId) ?? [];
  if (typeof lobbyId === "string" && id && named === game) return game ? `${game}~${id}` : id;
  throw new GodraError("bad_request", `A lobby id ${game ? `of ${game} ` : ""}is 1 to 64 letters, digits, underscores and hyphens`);
}

/** The name of a game on the server; empty for the default one. */
export function gameOf({ game }) {
  game ??= "";
  if (game === "" || /^[a-z][a-z0-9_-]{0,31}$/.test(game)) return game;
  throw new TypeError("new GodraClient(baseUrl, {game}): a game's name is 1 to 32 of a-z, 0-9, _ and -, a letter first");
}
