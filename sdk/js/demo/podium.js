// The round's clock, and between rounds who has won.

import { $, element } from "./dom.js";
import { showBanner } from "./hud.js";
import { hueOf } from "./maths.js";
import { nameOf } from "./shapes.js";
import { announce } from "./speech.js";
import { stage } from "./stage.js";
import { resultOf } from "./words.js";

/** When the server doubles the gems. */
const RUSH_SECONDS = 15;

/** What has been built for the podium's list. */
let shown = null;
let lastSeconds = null;

/** Brings the clock and the podium up to date; several times a second. */
export function showPhase(game) {
  const { rounds } = game;
  const now = stage.room.serverTime();
  // While the line is broken the clock stands.
  if (now === null) return;
  const seconds = rounds.secondsLeft(now);
  showClock(rounds, seconds);
  const isOver = rounds.phase === "podium";
  if (isOver && shown !== rounds.podium) buildPodium(game);
  $("podium").hidden = !isOver;
  const countdown = seconds > 0 ? `Next round in ${seconds}` : "Here it comes…";
  if (isOver && $("countdown").textContent !== countdown) $("countdown").textContent = countdown;
}

function showClock({ phase, number }, seconds) {
  if (phase === "playing" && seconds === RUSH_SECONDS && lastSeconds > RUSH_SECONDS) tellRush();
  lastSeconds = seconds;
  $("clock").hidden = phase !== "playing";
  if (phase !== "playing") return;
  const text = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
  if ($("clock-text").textContent !== text) $("clock-text").textContent = text;
  $("round-number").textContent = String(number);
  $("clock").classList.toggle("last", seconds <= RUSH_SECONDS);
}

function tellRush() {
  announce(`${RUSH_SECONDS} seconds left, with twice the gems.`);
  showBanner("Rush! Twice the gems", 2_500);
}

function buildPodium(game) {
  const { rounds } = game;
  shown = rounds.podium;
  $("podium-title").textContent = `Round ${rounds.number}`;
  $("result").textContent = resultOf(game);
  $("steps").replaceChildren(...rounds.podium.map((player) => step(player, rounds.placeOf(player.user_id), player.user_id === game.selfId)));
}

function step(player, place, isSelf) {
  const name = element("span", {}, isSelf ? `${nameOf(player)} (you)` : nameOf(player));
  name.style.color = `hsl(${hueOf(player.user_id)} 80% 72%)`;
  return element("li", isSelf ? { class: "own" } : {}, element("i", {}, `${place}.`), name, element("b", {}, String(player.score)));
}
