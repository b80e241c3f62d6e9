// What a room does as time goes by, without waiting for it: on the package's own test double.

import assert from "node:assert/strict";
import { test } from "node:test";

import { GodraError } from "../dist/godra.js";
import { FakeRoom } from "../dist/testing.js";

/** A joined room, and the log of its lifecycle. */
async function joined(options = {}) {
  const log = [];
  const prepare = (room) => {
    room.on("connected", ({ recovered }) => log.push(recovered ? "recovered" : "connected"));
    room.on("reconnecting", ({ attempt, delayMs }) => log.push(`try ${attempt} in ${delayMs}`));
    room.on("disconnected", ({ code, willReconnect }) => log.push(`${willReconnect ? "lost" : "over"} ${code}`));
    room.on("error", ({ code }) => log.push(code));
    options.prepare?.(room);
  };
  const fake = await FakeRoom.join({ ...options, prepare });
  return { ...fake, log };
}

/** What was sent since the last look. */
const looked = ({ sent }) => sent.splice(0).map(({ action, payload }) => `${action} ${payload}`).join(", ");

test("delays double up to 0.8 s for a minute, then to 5 s, and to 20 s after five minutes", async () => {
  const { server, clock, log } = await joined({ random: () => 1 });
  server.goAway();
  await clock.advance(10 * 60_000);
  const delays = log.slice(2).map((entry) => Number(entry.split(" in ")[1]));
  assert.deepEqual(delays.slice(0, 4), [200, 400, 800, 800]);
  assert.equal(delays.filter((ms) => ms === 5_000).length, 48);
  assert.equal(delays.at(-1), 20_000);
});

test("a token that is over is the end, where there is no other one; the first cause is told", async () => {
  const { room, server, log } = await joined();
  server.close(4001, "token_expired");
  assert.deepEqual(log, ["connected", "over 4001"]);
  assert.equal(room.connection, "left");
});

test("an outage that flaps goes on counting, until a connection has held for 5 seconds", async () => {
  const { server, clock, log } = await joined();
  const flap = async (heldMs) => {
    server.close();
    await clock.advance(1_000);
    server.welcome();
    await clock.advance(heldMs);
  };
  for (const heldMs of [100, 4_900, 5_001, 0]) await flap(heldMs);
  assert.deepEqual(log.filter((entry) => entry.startsWith("try")).map((entry) => entry.slice(0, 5)), ["try 1", "try 2", "try 3", "try 1"]);
});

test("checkNow while it waits tries at once and counts anew; during an attempt it hastens the next", async () => {
  const { room, server, clock, log } = await joined();
  server.goAway();
  await clock.advance(1_500);
  log.length = 0;
  room.checkNow();
  assert.deepEqual(log, ["try 1 in 0"]);
  await clock.advance(0);
  assert.deepEqual(log, ["try 1 in 0", "try 2 in 300"]);
  server.comeBack();
  await clock.advance(300);
  room.checkNow();
  server.refuse(503, "busy");
  await clock.advance(0);
  assert.equal(server.isConnected, true);
  server.welcome({ recovered: true });
  assert.deepEqual(log.slice(2), ["try 1 in 0", "recovered"]);
});

test("sendLatest: one an interval and key, the newest, and the last one always", async () => {
  const { room, server, clock } = await joined();
  for (let x = 0; x < 100; x += 1) room.sendLatest("move", x);
  room.sendLatest("turn", 5);
  room.sendLatest("move", 7, "other");
  assert.equal(looked(server), "move 0, turn 5, move 7");
  await clock.advance(49);
  assert.equal(looked(server), "");
  await clock.advance(1);
  assert.equal(looked(server), "move 99");
  await clock.advance(500);
  room.sendLatest("move", 100);
  assert.equal(looked(server), "move 100");
  assert.deepEqual(server.sent.filter(({ id, n }) => id ?? n), []);
});

test("sendLatest over an outage: what is younger than a second goes out behind `connected`", async () => {
  for (const [ageMs, sent] of [[900, "hello null, move 3"], [1_100, "hello null"]]) {
    const { room, server, clock } = await joined();
    room.on("connected", () => room.send("hello"));
    server.goAway();
    room.sendLatest("move", 2);
    room.sendLatest("move", 3);
    await clock.advance(ageMs - 700);
    server.comeBack();
    await clock.advance(700);
    server.welcome({ recovered: true });
    assert.equal(looked(server), sent);
    await clock.advance(1_000);
    assert.equal(looked(server), "");
  }
});

test("heartbeats: latency is the median of five, the server's time that of the shortest way", async () => {
  const { room, server, clock } = await joined({ welcome: { now: 1_000_000 } });
  assert.deepEqual([room.latencyMs, room.serverTime()], [null, 1_000_000]);
  await clock.advance(500);
  assert.equal(room.serverTime(), 1_000_500);
  server.answer("heartbeat", null);
  for (const [roundTripMs, aheadMs] of [[100, 7], [10, 3], [30, 50], [20, 60], [900, 70]]) {
    const ping = room.ping();
    await clock.advance(roundTripMs);
    const serverNow = 1_000_000 + clock.now() - roundTripMs / 2 + aheadMs;
    server.reply(server.sent.at(-1), { seq: 0, n: 0, now: serverNow });
    assert.equal(await ping, roundTripMs);
  }
  assert.equal(room.latencyMs, 30);
  assert.equal(room.serverTime() - clock.now(), 1_000_003);
  server.close();
  assert.equal(room.serverTime(), null);
});

test("a connection without a sign of life is given up, and its seat kept", async () => {
  const { server, clock, log } = await joined({ heartbeatMs: 20_000 });
  server.answer("heartbeat", null);
  await clock.advance(29_999);
  assert.deepEqual(log, ["connected"]);
  await clock.advance(1);
  assert.deepEqual(log, ["connected", "lost 1006", "try 1 in 150"]);
  assert.equal(server.closed.code, 4000);
});

test("what cannot be read brings a resync, at most one a second, and no resume before its answer", async () => {
  const { room, server, clock, log } = await joined({ welcome: { seq: 4 } });
  for (let count = 0; count < 5; count += 1) server.message("{");
  assert.equal(looked(server), "resync null");
  await clock.advance(999);
  assert.equal(looked(server), "");
  await clock.advance(1);
  assert.equal(looked(server), "resync null");
  server.event("e", 1, { seq: 5 });
  server.close();
  await clock.advance(200);
  assert.equal(server.connections.at(-1).since, undefined);
  server.welcome({ seq: 5 });
  server.message("{");
  server.snapshot({ a: 1 }, { seq: 9 });
  assert.deepEqual(room.state, { a: 1 });
  server.close();
  await clock.advance(400);
  assert.equal(server.connections.at(-1).since, 9);
  assert.equal(log.filter((entry) => entry === "bad_message").length, 6);
});

test("requests through the test double: answers, errors, time-outs, once over an outage", async () => {
  const { room, server, clock } = await joined();
  server.answer("buy", ({ item }) => {
    if (item === "castle") throw new GodraError("too_poor", "Too poor", { details: { gold: 3 } });
    return { gold: 1 };
  });
  assert.deepEqual(await room.request("buy", { item: "sword" }), { gold: 1 });
  await assert.rejects(room.request("buy", { item: "castle" }), { code: "too_poor", details: { gold: 3 }, outcome: "ran", kind: "script" });
  const late = assert.rejects(room.request("slow"), { code: "timeout", outcome: "unknown" });
  await clock.advance(10_000);
  await late;
  server.goAway();
  const once = room.request("buy", { item: "sword" }, { once: true });
  server.comeBack();
  await clock.advance(1_000);
  server.welcome({ recovered: true });
  assert.deepEqual(await once, { gold: 1 });
  assert.equal(server.sent.at(-1).n, 1);
});

test("the test double: a join that is refused, one that is late, an event with no number", async () => {
  const refused = FakeRoom.connect();
  await refused.clock.advance(0);
  refused.server.refuse(403, "conflict", "Lobby is full");
  await assert.rejects(refused.joined, { code: "conflict", status: 403, message: "Lobby is full" });
  const late = FakeRoom.connect();
  await late.clock.advance(10_000);
  await assert.rejects(late.joined, { code: "timeout" });
  assert.throws(() => late.server.welcome(), /no connection/);
  const { room, server } = await joined();
  const seen = [];
  room.onEvent((payload, { seq }) => seen.push([payload, seq]));
  server.event("a", 1);
  server.message({ type: "b", payload: 2 });
  assert.deepEqual(seen, [[1, 1], [2, undefined]]);
});
