// What the server says, and what the page makes of it.

import { addChatLine, addNote, clearChat } from "./chat.js";
import { $ } from "./dom.js";
import { Game } from "./game.js";
import { clearBanner, measureLatency, showBanner, showPlayers } from "./hud.js";
import { hueOf } from "./maths.js";
import { realtime } from "./session.js";
import { pointOf } from "./shapes.js";
import { stage } from "./stage.js";
import { showStart } from "./start.js";
import { ending } from "./words.js";

export function listen() {
  realtime.on("connected", (welcome) => {
    const again = stage.game?.code === welcome.game_id;
    // Recovered: what this page knows is still true, and what it missed follows.
    if (!again || !welcome.recovered) stage.game = new Game(welcome, again ? stage.game : null);
    showGame(stage.game, again);
  });
  onGame("snapshot", (game, state) => game.load(state));
  onGame("player_joined", (game, player) => game.joined(player));
  onGame("player_left", (game, player) => game.left(player));
  realtime.on("player_moved", (player) => stage.game?.moved(player));
  realtime.on("chat", (chat) => stage.game && showChat(stage.game, chat));
  realtime.on("disconnected", ({ code, willReconnect }) => {
    if (stage.game && !willReconnect) showStart(ending(code));
  });
  realtime.on("reconnecting", showReconnecting);
  realtime.on("error", showError);
}

/** An event that may change who is here. */
function onGame(event, change) {
  realtime.on(event, (payload) => {
    if (!stage.game) return;
    change(stage.game, payload);
    showPlayers(stage.game);
  });
}

function showGame(game, again) {
  clearBanner();
  $("start").hidden = true;
  $("game").hidden = false;
  $("lobby-code").textContent = game.code;
  document.title = `Lobby ${game.code} · Godra Arena`;
  history.replaceState(null, "", `#${game.code}`);
  $("code").value = "";
  if (again) {
    addNote("You are back.");
  } else {
    clearChat();
    addNote(`You are in lobby ${game.code}. Send its link to your friends.`);
    $("arena").focus({ preventScroll: true });
  }
  showPlayers(game);
  measureLatency();
}

function showChat(game, chat) {
  const name = game.said(chat);
  addChatLine({ name, hue: hueOf(chat.user_id), text: chat.message });
}

function showReconnecting({ attempt, delayMs }) {
  if (!stage.game) return;
  const seconds = Math.max(1, Math.round(delayMs / 1000));
  showBanner(attempt === 1 ? "Connection lost. Coming back…" : `Still trying to come back (attempt ${attempt}, in ${seconds} s)…`);
}

function showError(error) {
  const position = pointOf(error.details);
  if (position && stage.game) stage.game.corrected(position);
  else if (error.code === "rate_limited" || error.code === "busy") showBanner("The server is busy: slowing down.", 2_000);
  else console.warn(`${error.code}: ${error.message}`);
}
