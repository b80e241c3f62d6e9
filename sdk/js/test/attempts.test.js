// The attempts to come back since the last good connection.

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { Attempts } from "../src/attempts.js";
import { GodraError } from "../src/errors.js";

const LIMITS = { firstDelayMs: 200, maxDelayMs: 20_000, maxRefusals: 3 };
const [AWAY, BUSY, NO] = [
  new GodraError("unavailable", ""),
  new GodraError("unavailable", "", { status: 503 }),
  new GodraError("refused", ""),
];

let attempts;
beforeEach(() => {
  attempts = new Attempts(LIMITS);
});

function assertNext(now, code, attempt, longestMs) {
  const next = attempts.next(now, code);
  assert.equal(next.attempt, attempt);
  assert.ok(next.delayMs >= longestMs / 2 && next.delayMs <= longestMs, `${next.delayMs} ms`);
}

test("a connection that held for 5 seconds makes the count begin again, and no shorter one", () => {
  attempts.opened(0);
  attempts.lost(100);
  assertNext(100, 1006, 1, 200);
  attempts.opened(1_000);
  attempts.lost(6_000);
  assertNext(6_000, 1006, 2, 400);
  attempts.opened(7_000);
  attempts.lost(12_001);
  assertNext(12_001, 1006, 1, 200);
});

test("the longer delays count from the loss, also over connections that did not hold", () => {
  attempts.opened(0);
  attempts.lost(0);
  for (let count = 1; count <= 90; count += 1) {
    attempts.failed(AWAY);
    attempts.next(0, 1006);
  }
  attempts.opened(50_000);
  attempts.lost(51_000);
  assertNext(59_999, 1006, 91, 800);
  assertNext(60_000, 1006, 92, 5_000);
  attempts.restart(70_000);
  assertNext(70_000, 1006, 1, 200);
});

test("after 1001 and 4003 the first wait is longer", () => {
  for (const code of [1001, 4003]) {
    attempts.restart(0);
    assertNext(0, code, 1, 1_000);
    assertNext(0, 1006, 2, 400);
  }
});

test("only so many refusals are taken, and a welcome forgives them", () => {
  for (const error of [NO, NO, BUSY, AWAY]) attempts.failed(error);
  assert.equal(attempts.areRefused, false);
  attempts.opened(0);
  for (const error of [NO, NO]) attempts.failed(error);
  assert.equal(attempts.areRefused, false);
  attempts.failed(NO);
  assert.equal(attempts.areRefused, true);
});

test("a server that answers is asked less often, one that is away again is not", () => {
  for (let count = 0; count < 8; count += 1) {
    attempts.failed(BUSY);
    attempts.next(0, 1006);
  }
  attempts.failed(BUSY);
  assertNext(0, 1006, 9, 20_000);
  attempts.failed(AWAY);
  assertNext(0, 1006, 10, 800);
});
