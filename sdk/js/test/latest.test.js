// Inputs of which only the newest counts, without a socket: what is remembered, and for how long.

import assert from "node:assert/strict";
import { test } from "node:test";

import { VirtualClock } from "../dist/testing.js";
import { Latest } from "../src/latest.js";

function newLatest() {
  const clock = new VirtualClock();
  const sent = [];
  let canSend = true;
  const env = { now: () => clock.now(), later: (run, delayMs) => clock.later(run, delayMs) };
  const latest = new Latest(env, (text) => canSend && sent.push(text) > 0);
  return { latest, clock, sent, block: (isBlocked) => (canSend = !isBlocked) };
}

test("a game with a key for each of its things is not remembered for ever, online or not", async () => {
  for (const isOnline of [true, false]) {
    const { latest, clock } = newLatest();
    if (isOnline) latest.opened(50);
    for (let key = 0; key < 5_000; key += 1) {
      latest.put(`thing ${key}`, "x");
      await clock.advance(2);
    }
    assert.ok(latest.size <= 1_024, `${latest.size} keys`);
  }
});

test("a network that is far behind gets the newest one later", async () => {
  const { latest, clock, sent, block } = newLatest();
  latest.opened(50);
  block(true);
  latest.put("a", "1");
  latest.put("a", "2");
  await clock.advance(120);
  block(false);
  await clock.advance(50);
  assert.deepEqual(sent, ["2"]);
});

test("an interval that is none neither floods nor waits for ever", async () => {
  for (const [intervalMs, waitMs] of [[0, 4], [-5, 4], [1e300, 10_000], [Infinity, 10_000]]) {
    const { latest, clock, sent } = newLatest();
    latest.opened(intervalMs);
    for (const text of ["1", "2", "3"]) latest.put("a", text);
    await clock.advance(waitMs - 1);
    assert.deepEqual(sent, ["1"]);
    await clock.advance(1);
    assert.deepEqual(sent, ["1", "3"]);
  }
});
