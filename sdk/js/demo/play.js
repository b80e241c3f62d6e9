// What happens in a round, to see and to hear: gems come and go, scores rise, a podium at the end.

import { showBots } from "./bots.js";
import { popUp } from "./effects.js";
import { hueOf } from "./maths.js";
import { showPhase } from "./podium.js";
import { showPlayers } from "./scoreboard.js";
import { chime } from "./sound.js";
import { announceRound, announceScore } from "./speech.js";
import { stage } from "./stage.js";
import { resultOf } from "./words.js";

/** Which event changes the game how. Each gets the game and the event's payload. */
export const PLAY = {
  round_started(game, round) {
    game.rounds.started(round);
    const seconds = game.rounds.secondsLeft(stage.room.serverTime() ?? Date.now());
    announceRound(`Round ${game.rounds.number} begins. ${seconds} seconds to collect gems.`);
    chime("start");
    showRound(game);
  },

  round_ended(game, end) {
    game.rounds.ended(end);
    announceRound(`Round ${game.rounds.number} is over. ${resultOf(game)}`);
    chime("end");
    showRound(game);
  },

  gem(game, gem) {
    game.rounds.appeared(gem);
  },

  gem_taken(game, taken) {
    const gem = game.rounds.taken(taken);
    const isOwn = taken.user_id === game.selfId;
    if (gem) popUp(gem, `+${gem.worth}`, hueOf(taken.user_id), isOwn);
    if (!isOwn) return;
    announceScore(taken.score);
    chime(gem?.worth > 1 ? "treasure" : "gem");
  },
};

/** Has the room play, whether it does already or not, and shows how it stands. */
export async function startPlay(room) {
  showRound(stage.game);
  try {
    await room.request("play_arena");
  } catch (error) {
    // On a line that breaks again the next connection asks anew.
    if (error.code !== "disconnected") console.warn(error.message);
  }
}

function showRound(game) {
  showPhase(game);
  showPlayers(game);
  showBots(game);
}
