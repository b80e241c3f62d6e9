// What is said to those who do not see the canvas. Screen readers read the element out when its text changes.

import { $ } from "./dom.js";

/** Of scores that follow one another the last one is said. */
const SCORE_PAUSE_MS = 2_500;

let scoreTimer = 0;
let score = 0;

/** A round begins or ends: a score from before is no longer of interest. */
export function announceRound(text) {
  clearTimeout(scoreTimer);
  scoreTimer = 0;
  announce(text);
}

export function announce(text) {
  $("speech").textContent = text;
}

export function announceScore(now) {
  score = now;
  scoreTimer ||= setTimeout(sayScore, SCORE_PAUSE_MS);
}

function sayScore() {
  scoreTimer = 0;
  announce(`You have ${score} ${score === 1 ? "point" : "points"}.`);
}
