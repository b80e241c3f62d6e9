// Who is here, and how many points each has: for the eyes behind the count, and for those who do not see the canvas.

import { $, element } from "./dom.js";
import { round } from "./maths.js";

/** The list's items by user id, for as long as that user is shown. */
const items = new Map();
let shownGame = null;

export function showPlayers(game) {
  if (game !== shownGame) clear(game);
  const players = [...game.players.values()];
  const score = (player) => game.rounds.scoreOf(player.id);
  players.sort((a, b) => score(b) - score(a) || (b.id === game.selfId) - (a.id === game.selfId));
  write($("player-count"), String(players.length));
  write($("player-word"), players.length === 1 ? "player" : "players");
  write($("own-score"), String(score(game.self)));
  write($("own-unit"), score(game.self) === 1 ? "point" : "points");
  for (const id of items.keys()) if (!game.players.has(id)) remove(id);
  players.forEach((player, index) => showPlayer(player, score(player), index, player.id === game.selfId));
}

function showPlayer(player, score, index, isSelf) {
  const item = items.get(player.id) ?? add(player, isSelf);
  write(item.lastElementChild, String(score));
  if (player.isPlaced) Object.assign(item.dataset, { x: round(player.x), y: round(player.y) });
  const there = $("roster").children[index];
  if (there !== item) $("roster").insertBefore(item, there ?? null);
}

function add(player, isSelf) {
  const dot = element("i", {});
  dot.style.background = `hsl(${player.hue} 80% 65%)`;
  const item = element("li", { "data-user-id": player.id }, dot, element("span", {}, isSelf ? `${player.name} (you)` : player.name), element("b", {}));
  items.set(player.id, item);
  return item;
}

function remove(id) {
  items.get(id).remove();
  items.delete(id);
}

function clear(game) {
  for (const id of [...items.keys()]) remove(id);
  shownGame = game;
}

/** Touches the page only if that changes it: a list of fifty is looked through four times a second. */
function write(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

// Where there is room for it, the list is open from the beginning.
$("players").open = matchMedia("(min-width: 900px)").matches;
