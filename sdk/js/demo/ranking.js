// The best of all rooms: today, this week, ever (`scripts/ranking.lua`).

import { $, element } from "./dom.js";
import { client } from "./session.js";
import { nameOf } from "./shapes.js";

const LIMIT = 10;

let period = "day";

/** Asks for the period that is chosen. Nothing is shown while there is nothing. */
export async function refreshRanking() {
  const asked = period;
  const ranking = await client.rpc("ranking", ["arena", { period: asked, limit: LIMIT }]).then(JSON.parse).catch(() => null);
  if (ranking && asked === period) show(ranking);
}

function show({ entries, me, players }) {
  const list = Array.isArray(entries) ? entries : [];
  const own = me?.user_id;
  const items = list.map((entry) => item(entry, entry.user_id === own));
  if (me && !list.some(({ user_id: id }) => id === own)) items.push(item(me, true));
  $("best").replaceChildren(...items);
  $("best-none").hidden = players > 0;
}

function item(entry, isSelf) {
  const name = element("span", {}, isSelf ? `${nameOf(entry)} (you)` : nameOf(entry));
  return element("li", isSelf ? { class: "own" } : {}, element("i", {}, `${entry.rank}.`), name, element("b", {}, String(entry.score)));
}

for (const button of document.querySelectorAll("#periods button")) {
  button.addEventListener("click", () => {
    period = button.dataset.period;
    for (const each of document.querySelectorAll("#periods button")) each.setAttribute("aria-pressed", String(each === button));
    refreshRanking();
  });
}
