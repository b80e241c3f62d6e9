// Quick match: a ticket in, a room out (`scripts/quick_match.lua`). After ten seconds who is alone gets a room, too.

import { $ } from "./dom.js";
import { client } from "./session.js";
import { friendly } from "./words.js";

const REQUEST = { label: "arena", size: 8, min: 1 };
const ASK_EVERY_MS = 1_000;

/** The search that is under way, or null: a new object each, so that an old one's answers go nowhere. */
let search = null;
/** The last cancellation: a new ticket waits for it, or would be what is cancelled. */
let cancelled = Promise.resolve();

/** Looks for a room, and calls `found` with its id; `failed` with words for the player if there is none. */
export async function findMatch({ found, failed }) {
  const own = (search = { timer: 0 });
  const since = performance.now();
  show(true);
  showWaited(0);
  const ask = async (verb, ...more) => {
    const ticket = await call(verb, ...more).catch((error) => ({ error }));
    if (search !== own) return;
    if (ticket.error && !mayPass(ticket.error)) end(() => failed(friendly(ticket.error)));
    else if (ticket.status === "found") end(() => found(ticket.room));
    else if (ticket.status === "none") end(() => failed("The search has ended. Try again."));
    else own.timer = setTimeout(ask, ASK_EVERY_MS, "status");
    showWaited(performance.now() - since);
  };
  await cancelled;
  if (search === own) await ask("enter", REQUEST);
}

/** Waits no longer. Nothing happens if nobody waits. */
export function cancelMatch() {
  if (!search) return;
  end(() => {});
  // A match that has just been made goes on without this player, whose seat is free again in a moment.
  cancelled = call("cancel").catch(() => {});
}

async function call(...args) {
  return JSON.parse(await client.rpc("quick_match", args));
}

/** A ticket from before is as good as a new one, and a server that is busy answers the next time. */
function mayPass({ code }) {
  return ["conflict", "rate_limited", "timeout", "unavailable", "busy"].includes(code);
}

function end(then) {
  clearTimeout(search.timer);
  search = null;
  show(false);
  then();
}

function show(isSearching) {
  $("match").hidden = isSearching;
  $("matching").hidden = !isSearching;
  if (isSearching) $("cancel-match").focus({ preventScroll: true });
}

function showWaited(ms) {
  $("waited").textContent = `${Math.floor(ms / 1000)} s`;
}

$("cancel-match").addEventListener("click", () => {
  cancelMatch();
  $("match").focus({ preventScroll: true });
});
