// The demo's rounds: what the server's state and events make of them.

import assert from "node:assert/strict";
import { test } from "node:test";

import { Rounds } from "../demo/rounds.js";

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
