// Bots for who would play alone: the lobby's owner adds them, and a room that nobody owns, which quick match made, gets them by itself.

import { $ } from "./dom.js";
import { showBanner } from "./hud.js";
import { stage } from "./stage.js";
import { friendly } from "./words.js";

const BOTS = 5;

/** The button for those who may; and the bots themselves where somebody is alone in a room without an owner. */
export function showBots(game) {
  const { owner, capacity } = game.arena;
  const isOwnerless = owner === "";
  const count = game.players.size;
  $("bots").hidden = !(isOwnerless || owner === game.selfId) || count >= capacity;
  if (isOwnerless && count === 1) addBots();
}

async function addBots() {
  if ($("bots").disabled) return;
  $("bots").disabled = true;
  try {
    await stage.room.request("add_bots", { count: BOTS });
  } catch (error) {
    showBanner(friendly(error), 3_000);
  } finally {
    $("bots").disabled = false;
  }
}

$("bots").addEventListener("click", addBots);
