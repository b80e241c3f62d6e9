// What went wrong, and how a round went, in the words of a player.

import { nameOf } from "./shapes.js";

const ENDINGS = {
  1000: "",
  4500: "You were removed from this lobby.",
  4501: "You may not play on this server.",
  4502: "You joined this lobby again elsewhere.",
  4503: "This lobby was closed.",
  4504: "Too many of this page's moves were refused. Join again to go on.",
};

/** Why the connection is over for good. */
export function ending({ code, cause }) {
  if (cause?.code === "not_found") return "This lobby is not there any more: the server has restarted, or closed it.";
  if (cause?.code === "session_ended") return "Your guest pass has run out. Join again to go on.";
  return ENDINGS[code] ?? "The connection to this lobby ended. Join again to go on.";
}

/** Why a call failed. */
export function friendly(error) {
  if (error.code === "conflict") return /full/.test(error.message) ? "This lobby is full. Ask for room, or create your own." : "This lobby is closed.";
  if (error.code === "not_found") return "There is no lobby with this code. Is it complete?";
  if (error.code === "rate_limited") return `That was a little fast. Try again in ${error.retryAfter ?? 5} seconds.`;
  if (error.code === "unavailable" || error.code === "timeout") return "The server does not answer right now. Try again in a moment.";
  return error.message;
}

/** Who has won, and how this player fared, in a sentence or two. */
export function resultOf(game) {
  const { winners } = game.rounds;
  if (winners.length === 0) return "Nobody has found a gem.";
  const [{ score }] = winners;
  const place = game.rounds.placeOf(game.selfId);
  const others = winners.filter(({ user_id: id }) => id !== game.selfId).map(nameOf);
  if (place === 1) return `${sentenceList(["You", ...others])} have won with ${score}.`;
  const own = place > 0 ? `place ${place} with ${game.rounds.scoreOf(game.selfId)}` : `${game.rounds.scoreOf(game.selfId)} points`;
  return `${sentenceList(others)} ${others.length > 1 ? "have" : "has"} won with ${score}. You have ${own}.`;
}

/** "A", "A and B", "A, B and 3 more". */
function sentenceList(names) {
  if (names.length > 3) return `${names[0]}, ${names[1]} and ${names.length - 2} more`;
  return [names.slice(0, -1).join(", "), names.at(-1)].filter(Boolean).join(" and ");
}
