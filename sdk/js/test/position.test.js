// Where a client is in a room's history, and what it takes.

import assert from "node:assert/strict";
import { test } from "node:test";

import { Position } from "../src/position.js";

function at(epoch, seq) {
  const position = new Position();
  position.welcome({ recovered: false, epoch, seq });
  return position;
}

test("nothing is known before the first welcome, and after forgetting", () => {
  assert.equal(new Position().resume, null);
  const position = at("1f", 4);
  position.forget();
  assert.equal(position.resume, null);
});

test("a welcome without a place gives none", () => {
  assert.equal(at("1f", undefined).resume, null);
  assert.equal(at(undefined, 4).resume, null);
});

test("events move it on, once each, over gaps, and without a number not at all", () => {
  const position = at("1f", 4);
  const taken = [5, 5, 4, 9, 8, undefined, 10].map((seq) => position.event({ seq }));
  assert.deepEqual(taken, [true, false, false, true, false, true, true]);
  assert.deepEqual(position.resume, { epoch: "1f", since: 10 });
});

test("a heartbeat moves it on, never back", () => {
  const position = at("1f", 4);
  for (const seq of [7, 5, undefined, null, "9"]) position.reached(seq);
  assert.deepEqual(position.resume, { epoch: "1f", since: 7 });
  assert.equal(position.event({ seq: 7 }), false);
});

test("a recovered welcome leaves it where it was: what was missed is yet to come", () => {
  const position = at("1f", 4);
  position.welcome({ recovered: true, epoch: "1f", seq: 9 });
  assert.deepEqual([5, 9].map((seq) => position.event({ seq })), [true, true]);
});

test("a welcome with a state sets it, also back, and in another epoch", () => {
  const position = at("1f", 4);
  position.welcome({ recovered: false, epoch: "1f", seq: 2 });
  assert.deepEqual(position.resume, { epoch: "1f", since: 2 });
  position.welcome({ recovered: false, epoch: "20", seq: 1 });
  assert.deepEqual(position.resume, { epoch: "20", since: 1 });
  assert.equal(position.event({ seq: 2 }), true);
});

test("a snapshot sets it, back as well", () => {
  const position = at("1f", 4);
  position.snapshot({ epoch: "1f", seq: 9 });
  assert.equal(position.event({ seq: 9 }), false);
  position.snapshot({ seq: 7 });
  assert.deepEqual(position.resume, { epoch: "1f", since: 7 }, "the store has gone back");
  assert.equal(position.event({ seq: 8 }), true);
  position.snapshot({ epoch: "20", seq: 1 });
  assert.deepEqual(position.resume, { epoch: "20", since: 1 });
});
