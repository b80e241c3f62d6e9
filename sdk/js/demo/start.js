// The start screen: make a lobby, join one by its code or from the list of open ones.

import { controls } from "./controls.js";
import { $, element } from "./dom.js";
import { clearBanner } from "./hud.js";
import { client, freshToken, isLoggedIn, realtime, withToken } from "./session.js";
import { codeOf } from "./shapes.js";
import { stage } from "./stage.js";
import { friendly } from "./words.js";

const CAPACITY = 16;

let isBusy = false;

export function showStart(notice) {
  stage.game = null;
  controls.release();
  clearBanner();
  history.replaceState(null, "", location.pathname + location.search);
  $("game").hidden = true;
  $("start").hidden = false;
  $("notice").textContent = notice;
  document.title = "Godra Arena";
  refreshLobbies();
  $("create").focus({ preventScroll: true });
}

export async function joinLobby(code) {
  const id = codeOf(code);
  if (!/^[\w-]{1,64}$/.test(id)) {
    showStart("This does not look like a lobby code.");
    return;
  }
  await enter(async () => {
    // A browser cannot see why a WebSocket was refused; this call tells.
    await withToken((token) => client.lobby.joinLobby(token, id));
    return id;
  });
}

async function createLobby() {
  await enter(() => withToken((token) => client.lobby.createLobby(token, CAPACITY)));
}

/** Goes into the lobby whose id `prepare` gives; on failure back to the start screen, with the reason. */
async function enter(prepare) {
  setBusy(true);
  $("notice").textContent = "";
  try {
    await realtime.connect(freshToken, await prepare());
  } catch (error) {
    if (error.code !== "cancelled") showStart(friendly(error));
  } finally {
    setBusy(false);
  }
}

function leave() {
  realtime.close();
  showStart("");
}

export async function refreshLobbies() {
  if (stage.game || document.hidden) return;
  try {
    showLobbies((await withToken((token) => client.lobby.listLobbies(token))).lobbies);
  } catch (error) {
    showLobbies([]);
    if (!isLoggedIn()) $("who").textContent = friendly(error);
  }
}

function showLobbies(lobbies) {
  // Lobbies outlive their players for a while, but who wants to wait in an empty one?
  const items = lobbies.filter(({ members }) => members > 0).map(lobbyItem);
  $("lobbies").replaceChildren(...items);
  $("open").hidden = items.length === 0;
}

function lobbyItem(lobby) {
  const id = codeOf(String(lobby.id));
  const button = element("button", { type: "button" }, element("code", {}, id), element("span", {}, `${lobby.members} of ${lobby.capacity}`));
  if (lobby.members >= lobby.capacity) button.dataset.full = "";
  button.disabled = isBusy || "full" in button.dataset;
  button.addEventListener("click", () => joinLobby(id));
  return element("li", {}, button);
}

function setBusy(busy) {
  isBusy = busy;
  for (const button of document.querySelectorAll("#start button")) button.disabled = busy || "full" in button.dataset;
}

$("create").addEventListener("click", createLobby);
$("leave").addEventListener("click", leave);
$("join").addEventListener("submit", (event) => {
  event.preventDefault();
  joinLobby($("code").value);
});
addEventListener("hashchange", () => {
  const code = codeOf(location.hash);
  if (code && code !== stage.game?.code) joinLobby(code);
});
