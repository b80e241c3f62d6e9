// The demo: a small arena on the stock scripts. It shows how a game uses the SDK. Start reading here, then:
//
//   start.js    log in (session.js), make or join a lobby
//   events.js   what the server says changes the game (game.js, player.js) and the page (hud.js, chat.js)
//   below       the loop: keys (controls.js) move the own player, the move goes out, the picture (view.js) is drawn

import { controls } from "./controls.js";
import { measureLatency, showPlayers } from "./hud.js";
import { clamp } from "./maths.js";
import { stage } from "./stage.js";
import { joinLobby, refreshLobbies } from "./start.js";
import { view } from "./view.js";

const ROSTER_INTERVAL_MS = 250;
const PING_INTERVAL_MS = 2_000;
const LOBBY_LIST_INTERVAL_MS = 5_000;

let lastFrameAt = performance.now();

function frame(now) {
  // A tab that was hidden comes back with one small step, not with a leap.
  const elapsedMs = clamp(now - lastFrameAt, 0, 100);
  lastFrameAt = now;
  if (stage.game) play(stage.game, now, elapsedMs);
  view.draw(stage.game, now, elapsedMs);
  requestAnimationFrame(frame);
}

function play(game, now, elapsedMs) {
  game.step(controls.heading(view.toScreen(game.self)), now, elapsedMs);
  game.sendMove(now, stage.room);
}

requestAnimationFrame(frame);
setInterval(() => stage.game && showPlayers(stage.game), ROSTER_INTERVAL_MS);
setInterval(measureLatency, PING_INTERVAL_MS);
setInterval(refreshLobbies, LOBBY_LIST_INTERVAL_MS);

refreshLobbies();
if (location.hash.length > 1) joinLobby(location.hash);
