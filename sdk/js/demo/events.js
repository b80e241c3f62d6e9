// What the server says, and what the page makes of it. The room keeps the lobby's state; the game is the picture of that.

import { lobbyReducers } from "../dist/lobby.js";
import { showBots } from "./bots.js";
import { addChatLine, addNote, clearChat } from "./chat.js";
import { $ } from "./dom.js";
import { Game } from "./game.js";
import { clearBanner, measureLatency, showBanner } from "./hud.js";
import { hueOf } from "./maths.js";
import { PLAY, startPlay } from "./play.js";
import { showPlayers } from "./scoreboard.js";
import { pointOf } from "./shapes.js";
import { stage } from "./stage.js";
import { showStart } from "./start.js";
import { ending } from "./words.js";

/** For a room that is about to be joined. */
export function listen(room) {
  room.reduce(lobbyReducers);
  room.on("connected", ({ recovered }) => {
    const again = stage.room === room;
    // Recovered: what this page knows is still true, and what it missed follows.
    if (!again || !recovered) stage.game = new Game(room, again ? stage.game : null);
    stage.room = room;
    showGame(stage.game, again);
    startPlay(room);
  });
  whileShown(room, "snapshot", (game) => game.load(room.state));
  whileShown(room, "player_moved", (game, player) => game.moved(player));
  for (const [name, play] of Object.entries(PLAY)) whileShown(room, name, play);
  whileShown(room, "chat", showChat);
  whileShown(room, "reconnecting", showReconnecting);
  whileShown(room, "error", showError);
  room.onChange(() => {
    if (stage.room !== room || !stage.game.sync(room.state)) return;
    showPlayers(stage.game);
    showBots(stage.game);
  });
  room.on("disconnected", (end) => {
    if (stage.room === room && !end.willReconnect) showStart(ending(end));
  });
}

function whileShown(room, name, callback) {
  room.on(name, (payload) => stage.room === room && callback(stage.game, payload));
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
  measureLatency();
}

function showChat(game, chat) {
  const name = game.said(chat);
  addChatLine({ name, hue: hueOf(chat.user_id), text: chat.message });
}

function showReconnecting(_game, { attempt, delayMs }) {
  const seconds = Math.max(1, Math.round(delayMs / 1000));
  showBanner(attempt === 1 ? "Connection lost. Coming back…" : `Still trying to come back (attempt ${attempt}, in ${seconds} s)…`);
}

function showError(game, error) {
  const position = pointOf(error.details);
  if (position) game.corrected(position);
  else if (error.code === "rate_limited" || error.code === "busy") showBanner("The server is busy: slowing down.", 2_000);
  else console.warn(`${error.code}: ${error.message}`);
}
