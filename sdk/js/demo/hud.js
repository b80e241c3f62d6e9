// What stands around the arena: who is here, how far the server is, a banner, the link to share.

import { $, element } from "./dom.js";
import { round } from "./maths.js";
import { stage } from "./stage.js";

let bannerTimer = 0;

/** The list of players: for the eyes behind the count, and for those who do not see the canvas. */
export function showPlayers(game) {
  const players = [...game.players.values()];
  $("player-count").textContent = String(players.length);
  $("player-word").textContent = players.length === 1 ? "player" : "players";
  $("roster").replaceChildren(...players.map((player) => rosterItem(player, player.id === game.selfId)));
}

function rosterItem(player, isSelf) {
  const dot = element("i", {});
  dot.style.background = `hsl(${player.hue} 80% 65%)`;
  const item = element("li", { "data-user-id": player.id }, dot, isSelf ? `${player.name} (you)` : player.name);
  if (player.isPlaced) {
    Object.assign(item.dataset, { x: round(player.x), y: round(player.y) });
    item.append(element("small", {}, `${Math.round(player.x)}, ${Math.round(player.y)}`));
  }
  return item;
}

export async function measureLatency() {
  if (stage.room?.connection !== "joined") return;
  const latencyMs = await stage.room.ping().catch(() => null);
  if (latencyMs === null) return;
  $("latency-text").textContent = `${latencyMs < 10 ? latencyMs.toFixed(1) : Math.round(latencyMs)} ms`;
  $("latency").dataset.quality = latencyMs < 80 ? "good" : latencyMs < 200 ? "fair" : "bad";
}

export function showBanner(text, forMs) {
  clearBanner();
  $("banner").textContent = text;
  $("banner").hidden = false;
  if (forMs) bannerTimer = setTimeout(clearBanner, forMs);
}

export function clearBanner() {
  clearTimeout(bannerTimer);
  $("banner").hidden = true;
}

export function hideHint() {
  $("hint").classList.add("gone");
}

async function copyLink() {
  const label = $("share-label");
  try {
    await navigator.clipboard.writeText(location.href);
    label.textContent = "Copied";
  } catch {
    // Without https there is no clipboard: the link can still be taken by hand.
    prompt("The link to this lobby:", location.href);
  }
  setTimeout(() => {
    label.textContent = "Copy link";
  }, 1_500);
}

$("share").addEventListener("click", copyLink);
