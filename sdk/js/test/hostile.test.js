// Servers, proxies and players that send what nobody should. Each is told as bad_message and passed over, or is data; the game goes on,
// and gets no other shape than godra.d.ts says.

import assert from "node:assert/strict";
import { test as testWithoutLimit } from "node:test";
import WebSocket from "ws";

import { GodraClient } from "../godra.js";
import { FakeRoom } from "../dist/testing.js";
import { lobbyReducers } from "../dist/lobby.js";
import { LoginServer } from "./login-server.js";

const test = (name, run) => testWithoutLimit(name, { timeout: 30_000 }, run);

/** A joined room, which stays silent in tests, and what its game gets: events as they are, errors by code. */
async function joined(options = {}) {
  const fake = await FakeRoom.join({ logger() {}, ...options });
  const seen = [];
  fake.room.onEvent((_payload, event) => seen.push(event));
  fake.room.on("snapshot", (_state, event) => seen.push(event));
  fake.room.on("error", ({ code }) => seen.push(code));
  return { ...fake, seen };
}

const text = (value) => JSON.stringify(value);
const deep = (levels) => "[".repeat(levels) + "]".repeat(levels);

const NONSENSE = {
  "no JSON": ["", "{", "undefined", "{'a':1}", '{"type":"e"}{"type":"e"}', "NaN"],
  "no object": ["null", "3", '"text"', "true", "[]", '[{"type":"e"}]'],
  "no type": ["{}", '{"type":null}', '{"type":5}', '{"type":["e"]}', '{"payload":1}'],
  "numbers as text, and others that are none": ['{"type":"e","seq":"6"}', '{"type":"e","seq":1.5}', '{"type":"e","seq":-1}', '{"type":"e","seq":1e300}', '{"type":"e","seq":null}', '{"type":"e","seq":9007199254740993}'],
  "batches": ['{"type":"batch"}', '{"type":"batch","events":{}}', '{"type":"batch","events":[{"type":"batch","events":[]}]}', text({ type: "batch", events: [{ type: "welcome", payload: { user_id: "1" } }] }), '{"type":"batch","events":[null]}'],
  "replies and errors": ['{"type":"reply"}', '{"type":"reply","id":"1","result":1}', '{"type":"reply","id":1.5}', '{"type":"error"}', '{"type":"error","payload":"busy"}', '{"type":"error","payload":{"code":5,"message":"m"}}', '{"type":"error","id":"x","payload":{"code":"a","message":"b"}}'],
  "snapshots": ['{"type":"snapshot"}', '{"type":"snapshot","payload":{},"seq":"9"}', '{"type":"snapshot","payload":{},"seq":9,"epoch":5}'],
  "a second welcome": [text({ type: "welcome", payload: { user_id: "guest:1", seq: 0 } })],
  "too deep": [deep(10_000), `{"type":"e","payload":${deep(10_000)}}`, "[".repeat(100_000), `{"a":`.repeat(100_000)],
  "too long": [`{"type":"e","payload":"${"x".repeat(17 << 20)}"}`],
};

for (const [name, frames] of Object.entries(NONSENSE)) {
  test(`${name}: told, and the game goes on`, async () => {
    for (const frame of frames) {
      const { room, server, seen } = await joined({ welcome: { seq: 5, state: { a: 1 } } });
      server.message(frame);
      server.event("e", 1, { seq: 6 });
      assert.deepEqual(seen, ["bad_message", { type: "e", payload: 1, seq: 6 }], frame.slice(0, 80));
      assert.deepEqual([room.connection, room.state, room.stats().badMessages], ["joined", { a: 1 }, 1]);
    }
  });
}

test("a welcome of a wrong shape is none: a right one after it counts, and without one time runs out", async () => {
  const good = { user_id: "1", seq: 0, epoch: "e" };
  const wrong = [{}, { user_id: 5 }, { ...good, seq: "0" }, { ...good, seq: -1 }, { ...good, epoch: 5 }, { ...good, n: "1" }, { ...good, recovered: 1 }, { ...good, username: [] }, { ...good, sync_interval_ms: "50" }, { ...good, now: "x" }];
  for (const payload of [...wrong, null, [], "text"]) {
    const { room, server, clock, joined: promise } = FakeRoom.connect({ logger() {} });
    await clock.advance(0);
    server.message({ type: "welcome", payload });
    assert.equal(room.connection, "joining", text(payload));
    server.welcome();
    assert.equal((await promise).connection, "joined");
  }
  const { server, clock, joined: never } = FakeRoom.connect({ logger() {} });
  await clock.advance(0);
  server.message({ type: "welcome", payload: {} });
  await clock.advance(10_000);
  await assert.rejects(never, { code: "timeout" });
});

test("a welcome with little in it is filled up to the shape that the types say", async () => {
  const { room, server, clock, joined: promise } = FakeRoom.connect({ id: "abc" });
  await clock.advance(0);
  const connected = room.next("connected");
  server.message({ type: "welcome", payload: { user_id: "1" } });
  await promise;
  assert.equal((await connected).payload, room.welcome);
  assert.deepEqual(room.welcome, { user_id: "1", username: "", role: "guest", game_id: "abc", recovered: false, state: null, sync_interval_ms: 50 });
});

test("recovered at a first join is none", async () => {
  const { room } = await joined({ welcome: { recovered: true, state: { a: 1 } } });
  assert.deepEqual(room.state, { a: 1 });
});

test("an answer of a wrong shape fails its request at once", async () => {
  const { room, server } = await joined();
  for (const answer of [(id) => ({ type: "error", id, payload: [] }), (id) => ({ type: "error", id, payload: { code: "a", message: ["b"] } })]) {
    for (const once of [false, true]) {
      const request = room.request("a", 1, { once });
      server.message(answer(server.sent.at(-1).id));
      await assert.rejects(request, { code: "bad_message", kind: "protocol" });
    }
  }
});

test("a refusal of a wrong shape is one all the same", async () => {
  for (const payload of [{ code: "a", message: "b", status: 403, retry_after: "soon", details: null }, { code: "a", message: "b", status: 403, retry_after: -5 }]) {
    const { server, clock, joined: promise } = FakeRoom.connect();
    await clock.advance(0);
    server.message({ type: "error", payload });
    server.close(4505, "a");
    await assert.rejects(promise, { code: "a", status: 403, retryAfter: undefined });
  }
  const { server, clock, joined: promise } = FakeRoom.connect();
  await clock.advance(0);
  server.close(4505, "");
  await assert.rejects(promise, { code: "refused", closeCode: 4505 });
});

test("heartbeats that are answered with nonsense move nothing, and tell no time", async () => {
  const { room, server, clock } = await joined({ welcome: { seq: 5, now: 1_000 }, heartbeatMs: 10 });
  for (const result of [null, 5, "x", [1], { seq: "900" }, { seq: 1e300 }, { seq: -1 }, { now: "soon" }]) {
    server.answer("heartbeat", () => result);
    await clock.advance(11);
  }
  assert.equal(room.serverTime(), 1_000 + clock.now());
  server.event("e", 1, { seq: 6 });
  server.close();
  await clock.advance(200);
  assert.equal(server.connections.at(-1).since, 6);
});

test("text comes as it was sent: lone surrogates, U+0000, U+2028 and what has two units", async () => {
  const { server, seen } = await joined();
  const payload = "\ud800 \u0000 \u2028 🎲 é \udfff";
  server.message(`{"type":"e","payload":${text(payload)}}`);
  assert.equal(seen[0].payload, payload);
});

test("names of members are data", async () => {
  const { room, server, seen } = await joined({ welcome: { state: { players: {}, state: {} } }, prepare: (one) => one.reduce(lobbyReducers) });
  const names = ["__proto__", "constructor", "toString", "hasOwnProperty"];
  for (const name of names) {
    server.message(`{"type":"${name}","payload":{"__proto__":{"polluted":1},"constructor":2}}`);
    server.event("player_joined", { user_id: name, username: "x" });
    server.event("player_moved", { user_id: name, x: 1, y: 2 });
    server.message(`{"type":"state","payload":{"user_id":"1","action":"set","payload":{"${name}":{"deep":1}}}}`);
  }
  assert.deepEqual(Object.keys(room.state.players), names);
  assert.deepEqual(Object.keys(room.state.state), names);
  for (const name of names) assert.equal(Object.hasOwn(room.state.players, name) && room.state.players[name].x, 1);
  server.event("player_left", { user_id: "__proto__" });
  assert.deepEqual(Object.keys(room.state.players), names.slice(1));
  assert.equal({}.polluted, undefined);
  assert.equal(Object.getPrototypeOf(room.state.players), Object.prototype);
  assert.ok(seen.every(({ payload }) => Object.getPrototypeOf(payload) === Object.prototype));
});

test("reducers pass over what is not the stock scripts'", async () => {
  for (const state of [null, [], "text", {}, { players: [] }, { players: { a: 5 } }]) {
    const { room, server } = await joined({ welcome: { state }, prepare: (one) => one.reduce(lobbyReducers), onHandlerError: assert.fail });
    for (const type of Object.keys(lobbyReducers)) {
      for (const payload of [null, 5, [], {}, { user_id: 7 }, { user_id: "a", action: "set", payload: 3 }, { user_id: "a", old_id: {} }]) server.event(type, payload);
    }
    assert.equal(typeof room.state, typeof state);
  }
});

test("frames as they come over a socket: binary, not UTF-8, 16 MB", async () => {
  const server = await LoginServer.start();
  try {
    const { room, peer, log } = await server.join();
    peer.sendFrame(2, Buffer.from([0xff, 0xfe, 0x7b]));
    peer.sendFrame(2, Buffer.from(text({ type: "binary", payload: 1 })));
    const long = "x".repeat((16 << 20) - 100);
    const next = room.next("long");
    peer.sendLong(text({ type: "long", payload: long }));
    assert.equal((await next).payload.length, long.length);
    peer.sendLong(text({ type: "longer", payload: long + long }));
    peer.send({ type: "end" });
    await room.next("end");
    assert.deepEqual(log.map(([name]) => name), ["connected", "error", "binary", "long", "error", "end"]);
  } finally {
    await server.stop();
  }
});

test("answers by HTTP of a wrong shape are bad responses", async () => {
  const server = await LoginServer.start();
  const client = new GodraClient(server.url, { WebSocket });
  const login = { token: "t", refresh_token: "r", expires_in: 5, user_id: "1" };
  try {
    for (const wrong of [{ token: 5 }, { user_id: null }, { expires_in: "5" }, { refresh_token: ["r"] }]) {
      server.routes["POST /guest-login"] = () => ({ body: { ...login, ...wrong } });
      await assert.rejects(client.auth.guestLogin(), { code: "bad_response", kind: "protocol" }, text(wrong));
    }
    assert.equal(client.session, null);
    client.token = "t";
    for (const error of [5, "text", [], { code: 5, message: [] }, null]) {
      server.routes["POST /api/rpc"] = () => ({ status: 400, body: { error } });
      await assert.rejects(client.rpc("a"), { code: "bad_request", status: 400, message: "HTTP status 400" });
    }
    for (const result of [{ id: "game:a" }, 5, null, "not an id!"]) {
      server.routes["POST /api/rpc"] = () => ({ body: { result } });
      await assert.rejects(client.createRoom(), { code: /bad_re/ });
    }
  } finally {
    await server.stop();
  }
});
