// The start screen: make a lobby, have one found, join one by its code or from the list of open ones.

import { controls } from "./controls.js";
import { $, element } from "./dom.js";
import { listen } from "./events.js";
import { clearBanner } from "./hud.js";
import { cancelMatch, findMatch } from "./match.js";
import { refreshRanking } from "./ranking.js";
import { client, ensureLogin } from "./session.js";
import { codeOf } from "./shapes.js";
import { stage } from "./stage.js";
import { friendly } from "./words.js";

const CAPACITY = 16;

let isBusy = false;

export function showStart(notice) {
  stage.room = null;
  stage.game = null;
  controls.release();
  clearBanner();
  history.replaceState(null, "", location.pathname + location.search);
  $("game").hidden = true;
  $("start").hidden = false;
  $("notice").textContent = notice;
  document.title = "Godra Arena";
  refreshStart();
  $("create").focus({ preventScroll: true });
}

export async function joinLobby(code) {
  const id = codeOf(code);
  if (!/^[\w-]{1,64}$/.test(id)) {
    showStart("This does not look like a lobby code.");
    return;
  }
  await enter(() => client.join(id, { prepare: listen }));
}

async function createLobby() {
  await enter(() => client.createRoom({ capacity: CAPACITY, prepare: listen }));
}

async function quickMatch() {
  $("notice").textContent = "";
  try {
    await ensureLogin();
  } catch (error) {
    showStart(friendly(error));
    return;
  }
  // Who was impatient, and is on the way into a lobby, looks for no other.
  if (isBusy || stage.game) return;
  findMatch({ found: joinLobby, failed: showStart });
}

/** Goes into a lobby, out of the one before; on failure back to the start screen, with the reason. */
async function enter(join) {
  cancelMatch();
  setBusy(true);
  $("notice").textContent = "";
  const before = stage.room;
  try {
    await asGuest(join);
    if (stage.room !== before) before?.close();
  } catch (error) {
    before?.close();
    showStart(friendly(error));
  } finally {
    setBusy(false);
  }
}

/** A server that forgot this guest (it has a new secret, say) gets another one, once. */
async function asGuest(join) {
  await ensureLogin();
  try {
    await join();
  } catch (error) {
    if (error.code !== "session_ended") throw error;
    await ensureLogin();
    await join();
  }
}

function leave() {
  const { room } = stage;
  showStart("");
  room.leave().catch((error) => console.warn(error.message));
}

/** What the start screen shows of others: open lobbies and the ranking. */
export async function refreshStart() {
  if (stage.game || document.hidden) return;
  try {
    await ensureLogin();
    refreshRanking();
    showLobbies((await client.listRooms()).lobbies);
  } catch (error) {
    showLobbies([]);
    if (!client.session) $("who").textContent = friendly(error);
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
$("match").addEventListener("click", quickMatch);
$("leave").addEventListener("click", leave);
$("join").addEventListener("submit", (event) => {
  event.preventDefault();
  joinLobby($("code").value);
});
addEventListener("hashchange", () => {
  const code = codeOf(location.hash);
  if (code && code !== stage.game?.code) joinLobby(code);
});
