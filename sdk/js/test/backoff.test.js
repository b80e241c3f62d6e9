// How long a client waits before it tries to come back.

import assert from "node:assert/strict";
import { test } from "node:test";

import { retryDelayMs } from "../src/backoff.js";

const DEFAULTS = { firstDelayMs: 200, maxDelayMs: 20_000 };

/** The shortest and the longest delay that chance may give. */
function span(about, options = DEFAULTS) {
  return [0, 1].map((chance) => Math.round(retryDelayMs({ goneMs: 0, ...about }, options, () => chance)));
}

test("delays double, and half of each is chance", () => {
  assert.deepEqual([1, 2, 3].map((attempt) => span({ attempt })), [[100, 200], [200, 400], [400, 800]]);
});

test("in the first minute nobody waits longer than 0.8 s, then 5 s, after five minutes 20 s", () => {
  for (const attempt of [4, 10, 1000]) assert.deepEqual(span({ attempt, goneMs: 59_999 }), [400, 800]);
  assert.deepEqual(span({ attempt: 90, goneMs: 60_000 }), [2_500, 5_000]);
  assert.deepEqual(span({ attempt: 200, goneMs: 299_999 }), [2_500, 5_000]);
  assert.deepEqual(span({ attempt: 300, goneMs: 300_000 }), [10_000, 20_000]);
  assert.deepEqual(span({ attempt: 300, goneMs: 1e12 }), [10_000, 20_000]);
});

test("the game's own limits hold", () => {
  const options = { firstDelayMs: 4, maxDelayMs: 16 };
  assert.deepEqual([1, 2, 3, 9].map((attempt) => span({ attempt }, options)), [[2, 4], [4, 8], [8, 16], [8, 16]]);
  assert.deepEqual(span({ attempt: 1, isGentle: true }, options), [8, 16]);
  assert.deepEqual(span({ attempt: 9, answers: 8 }, options), [8, 16]);
});

test("after a shutdown the first wait is 0.5 to 1 s, and no later one is shorter", () => {
  assert.deepEqual(span({ attempt: 1, isGentle: true }), [500, 1_000]);
  assert.deepEqual(span({ attempt: 9, isGentle: true, goneMs: 100_000 }), [2_500, 5_000]);
});

test("a server that answers with a no is asked less and less often from the start", () => {
  const spans = [1, 2, 3, 4, 5, 20].map((answers) => span({ attempt: answers + 1, answers }));
  assert.deepEqual(spans.map(([, longest]) => longest), [400, 800, 1_600, 3_200, 6_400, 20_000]);
  assert.deepEqual(span({ attempt: 100, answers: 1 }), [200, 400], "the first answer after a long silence");
});

test("Retry-After is waited for, with chance besides, but not for ever", () => {
  assert.deepEqual(span({ attempt: 1, retryAfterS: 2 }), [2_100, 2_200]);
  assert.deepEqual(span({ attempt: 1, retryAfterS: 1e9 }), [300_100, 300_200]);
});
