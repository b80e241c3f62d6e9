// The demo's rounds: what the server's state and events make of them.

import assert from "node:assert/strict";
import { test } from "node:test";

import { Camera } from "../demo/camera.js";
import { Rounds } from "../demo/rounds.js";
import { resultOf } from "../demo/words.js";

const GEM = { id: "3", x: 10, y: 20, worth: 5 };

test("a round begins empty, and ends with a podium", () => {
  const rounds = new Rounds();
  assert.equal(rounds.phase, null);
  rounds.started({ round: 1, ends_at: 90_000 });
  assert.deepEqual([rounds.phase, rounds.number, rounds.secondsLeft(500)], ["playing", 1, 90]);
  rounds.appeared(GEM);
  assert.equal(rounds.taken({ id: "3", user_id: "a", worth: 5, score: 5 }).worth, 5);
  assert.deepEqual([rounds.gems.size, rounds.scoreOf("a"), rounds.scoreOf("b"), rounds.leaderId], [0, 5, 0, "a"]);
  rounds.appeared(GEM);
  rounds.ended({ round: 1, next_at: 102_000, podium: [{ user_id: "a", username: "", score: 5 }] });
  assert.deepEqual([rounds.phase, rounds.gems.size, rounds.placeOf("a"), rounds.placeOf("b")], ["podium", 0, 1, 0]);
  assert.equal(rounds.scoreOf("a"), 5, "the points stand until the next round");
  rounds.started({ round: 2, ends_at: 200_000 });
  assert.deepEqual([rounds.scoreOf("a"), rounds.leaderId], [0, null]);
});

test("who comes in the middle of a round takes over its gems and points", () => {
  const rounds = new Rounds();
  rounds.appeared({ ...GEM, id: "gone" });
  rounds.load({ arena: { phase: "playing", round: 7, ends_at: 1_000 }, gems: { 3: { x: 10, y: 20, worth: 1 } }, scores: { a: 2, b: 4 } });
  assert.deepEqual([...rounds.gems.keys()], ["3"]);
  assert.deepEqual([rounds.number, rounds.scoreOf("a"), rounds.leaderId], [7, 2, "b"]);
  assert.equal(rounds.secondsLeft(2_000), 0, "never below");
});

test("a state of another shape breaks nothing", () => {
  const rounds = new Rounds();
  for (const state of [undefined, null, {}, { arena: 5, gems: "no", scores: [] }, { arena: { podium: {} }, gems: { 1: null }, scores: { a: "x" } }]) {
    rounds.load(state);
    assert.deepEqual([rounds.phase, rounds.podium, rounds.gems.size, rounds.leaderId], [null, [], 0, null]);
  }
  rounds.ended({ round: 1, next_at: 5, podium: undefined });
  assert.deepEqual(rounds.podium, []);
  assert.equal(rounds.taken({ id: "9", user_id: "a", score: 1 }), undefined, "a gem that this page never saw");
});

test("who have as much share the place, and have won together", () => {
  const standing = [["a", 9, 1], ["b", 9, 1], ["c", 5, 3], ["d", 1, 4]].map(([id, score, place]) => ({ user_id: id, username: id.toUpperCase(), score, place }));
  const rounds = new Rounds();
  rounds.load({ arena: { phase: "podium", round: 1, ends_at: 1_000, podium: standing }, gems: {}, scores: { a: 9, b: 9, c: 5, d: 1 } });
  assert.deepEqual(["a", "b", "c", "x"].map((id) => rounds.placeOf(id)), [1, 1, 3, 0]);
  const result = (selfId) => resultOf({ rounds, selfId });
  assert.equal(result("b"), "You and A have won with 9.");
  assert.equal(result("c"), "A and B have won with 9. You have place 3 with 5.");
  assert.equal(result("x"), "A and B have won with 9. You have 0 points.");
  rounds.ended({ round: 1, next_at: 1, podium: standing.map((player) => ({ ...player, score: 9, place: 1 })) });
  assert.equal(result("d"), "You, A and 2 more have won with 9.");
  rounds.ended({ round: 1, next_at: 1, podium: standing.slice(2).map((player, index) => ({ ...player, place: index + 1 })) });
  assert.equal(result("c"), "You have won with 5.");
  assert.equal(result("d"), "C has won with 5. You have place 2 with 1.");
});

test("on a phone the arena begins below the clock", () => {
  const arena = { left: 0, right: 1_000, top: 0, bottom: 1_000, maxSpeed: 220 };
  const topOf = (widthPx, heightPx) => {
    const camera = new Camera();
    camera.follow({ arena, self: { x: 500, y: 0 } }, widthPx, heightPx, 16);
    return Math.round(camera.yOf(0));
  };
  // The clock ends 98 px below the screen's top there, and the bar elsewhere 66 px.
  assert.equal(topOf(390, 780), 104);
  assert.equal(topOf(1_200, 500), 66);
});
