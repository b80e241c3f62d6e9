// The demo: a small arena on the stock scripts. It shows how a game uses the SDK. Start reading here, then:
//
//   start.js    log in (session.js), make or join a lobby
//   match.js    or have one found; ranking.js shows the best
//   events.js   what the server says changes the game (game.js, player.js) and the page (hud.js, chat.js)
//   play.js     the rounds of it (rounds.js): gems, points (scoreboard.js), a podium (podium.js), bots (bots.js)
//   below       the loop: keys (controls.js) move the own player, the move goes out, the picture (view.js) is drawn

import { controls } from "./controls.js";
import { measureLatency } from "./hud.js";
import { clamp } from "./maths.js";
import { showPhase } from "./podium.js";
import { showPlayers } from "./scoreboard.js";
import { stage } from "./stage.js";
import { joinLobby, refreshStart } from "./start.js";
import { view } from "./view.js";

const SCORES_INTERVAL_MS = 250;
const PING_INTERVAL_MS = 2_000;
const START_INTERVAL_MS = 5_000;

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

function showScores() {
  if (!stage.game) return;
  showPlayers(stage.game);
  showPhase(stage.game);
}

requestAnimationFrame(frame);
setInterval(showScores, SCORES_INTERVAL_MS);
setInterval(measureLatency, PING_INTERVAL_MS);
setInterval(refreshStart, START_INTERVAL_MS);

refreshStart();
if (location.hash.length > 1) joinLobby(location.hash);
