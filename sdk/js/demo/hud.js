// What stands around the arena: how far the server is, a banner, the link to share.

import { $ } from "./dom.js";
import { stage } from "./stage.js";

let bannerTimer = 0;

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
