// A server that says anything at all: whatever it is, nothing throws, nothing hangs, and the game gets shapes that the types say.
// The seed is in the name of a test that fails: SEED=… plays it again.

import assert from "node:assert/strict";
import { test } from "node:test";

import { GodraError } from "../dist/godra.js";
import { lobbyReducers } from "../dist/lobby.js";
import { FakeRoom } from "../dist/testing.js";

const SEED = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 32));
const MESSAGES = 20_000;

/** The same numbers for the same seed (mulberry32). */
function chanceOf(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const chance = chanceOf(SEED);
const pick = (list) => list[Math.floor(chance() * list.length)];

const NAMES = ["type", "payload", "seq", "epoch", "id", "n", "result", "events", "code", "message", "details", "user_id", "username", "x", "y", "players", "state", "recovered", "now", "status", "__proto__", "constructor", "old_id", "action"];
const TYPES = ["welcome", "batch", "reply", "error", "snapshot", "e", "connected", "disconnected", "change", "toString", "__proto__", ...Object.keys(lobbyReducers)];
const LEAVES = [() => null, () => true, () => 0, () => -1, () => 1.5, () => 1e300, () => 2 ** 53, () => Math.floor(chance() * 100), () => String(Math.floor(chance() * 100)), () => "", () => "\ud800", () => "guest:1", () => "1", () => pick(TYPES)];

function value(depth = 0) {
  const kind = chance();
  if (depth > 3 || kind < 0.5) return pick(LEAVES)();
  if (kind < 0.65) return Array.from({ length: Math.floor(chance() * 4) }, () => value(depth + 1));
  return object(depth);
}

/** As text, so that a name may be there twice, or be `__proto__`. */
function object(depth) {
  const members = Array.from({ length: Math.floor(chance() * 6) }, () => `${JSON.stringify(pick(NAMES))}:${textOf(value(depth + 1))}`);
  return { text: `{${members.join(",")}}` };
}

function textOf(any) {
  if (Array.isArray(any)) return `[${any.map(textOf).join(",")}]`;
  return any?.text ?? JSON.stringify(any);
}

/** Mostly right, but for one thing or another. */
function message() {
  const right = { type: pick(TYPES), payload: object(0), seq: Math.floor(chance() * 1000), epoch: "1", id: Math.floor(chance() * 50), result: value(), events: [object(0), object(0)] };
  const names = Object.keys(right).filter(() => chance() < 0.8);
  const members = names.map((name) => `"${name}":${textOf(chance() < 0.15 ? value() : right[name])}`);
  const text = `{${members.join(",")}}`;
  return chance() < 0.05 ? text.slice(0, Math.floor(chance() * text.length)) : text;
}

const isWhole = (seq) => seq === undefined || (Number.isSafeInteger(seq) && seq >= 0);

test(`${MESSAGES} messages by chance, seed ${SEED}`, async () => {
  const failures = [];
  const { room, server, clock } = await FakeRoom.join({
    welcome: { state: { players: {}, state: {} } },
    prepare: (one) => one.reduce(lobbyReducers),
    onHandlerError: (error) => failures.push(error),
    logger() {},
  });
  const unsettled = new Set();
  const request = (once) => {
    const wait = room.request("a", 1, { once, timeoutMs: 5_000 });
    unsettled.add(wait);
    wait.catch((error) => failures.push(...(error instanceof GodraError ? [] : [error]))).finally(() => unsettled.delete(wait));
  };
  room.onEvent((_payload, { type, seq }) => {
    assert.equal(typeof type, "string");
    assert.ok(isWhole(seq), `seq ${seq}`);
  });
  room.on("error", (error) => {
    assert.ok(error instanceof GodraError);
    assert.equal(typeof error.code, "string");
    assert.equal(typeof error.message, "string");
  });
  for (let count = 0; count < MESSAGES; count += 1) {
    if (count % 50 === 0) {
      request(chance() < 0.5);
      await clock.advance(chance() * 500);
    }
    server.message(message());
  }
  assert.deepEqual(failures, []);
  assert.equal(room.connection, "joined");
  assert.equal({}.polluted ?? Object.getPrototypeOf(room.stats()), Object.prototype);
  await clock.advance(60_000);
  assert.equal(unsettled.size, 0);
  const { badMessages, events } = room.stats();
  assert.ok(badMessages > 100 && events > 100, `${badMessages} bad, ${events} good`);
});
