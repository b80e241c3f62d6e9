// Rooms, against a server that does what each test says.

import assert from "node:assert/strict";
import { afterEach, beforeEach, test as testWithoutLimit } from "node:test";

import { GodraError } from "../godra.js";
import { badNetwork } from "../dist/testing.js";
import { LoginServer, refusal, until } from "./login-server.js";

const test = (name, run) => testWithoutLimit(name, { timeout: 30_000 }, run);

let server;
beforeEach(async () => {
  server = await LoginServer.start();
});
afterEach(() => server.stop());

const event = (seq, type = "e") => ({ type, payload: seq, seq });

test("join asks for a refusal that can be read, and gives the room when it is there", async () => {
  const { room, peer, log } = await server.join({ room: "game:abc", welcome: { state: { round: 1 }, seq: 4 } });
  assert.deepEqual(Object.fromEntries(peer.query), { game_id: "abc", refuse: "close" });
  assert.deepEqual([room.id, room.connection, room.state], ["abc", "joined", { round: 1 }]);
  assert.deepEqual(room.me, { userId: "guest:1", username: "Guest", role: "guest" });
  assert.deepEqual(log, [["connected", false]]);
});

test("options of a join are in each address, and the script's refusal is the join's error", async () => {
  const { client } = await server.join();
  const joining = client.join("team", { options: { team: "röd&1" }, prepare: (room) => room.on("error", () => {}) });
  const peer = await server.fake.nextPeer();
  assert.deepEqual(Object.fromEntries(peer.query), { game_id: "team", refuse: "close", options: '{"team":"röd&1"}' });
  peer.welcome();
  const room = await joining;
  peer.destroy();
  const again = await server.fake.nextPeer();
  assert.equal(again.query.get("options"), '{"team":"röd&1"}');
  room.close();
  for (const options of [null, 1, "x", [1], { toJSON: () => [1] }, { a: "x".repeat(1017) }]) {
    await assert.rejects(client.join("other", { options }), { code: "bad_request" });
  }
});

test("a client is in several rooms at once, and in each of them once", async () => {
  const { client, room, peer } = await server.join();
  const other = await server.join({ client, room: "other" });
  const [shared, again] = [client.join("third"), client.join("game:third")];
  (await server.fake.nextPeer()).welcome();
  assert.equal(await shared, await again);
  assert.equal(await client.join("abc"), room);
  assert.equal(server.fake.peers.length, 3);
  other.peer.close(4500, "kicked");
  await until(() => other.room.connection === "left");
  peer.send(event(1));
  await room.next("e");
  assert.equal(room.connection, "joined");
});

test("a room that was left is joined anew", async () => {
  const { client, room } = await server.join();
  room.close();
  const again = await server.join({ client });
  assert.notEqual(again.room, room);
  assert.equal(again.peer.query.has("since"), false);
});

test("a join is taken back by its signal, at any point, and leaves nothing open", async () => {
  const client = server.client();
  await assert.rejects(client.join("abc", { signal: AbortSignal.abort() }), { code: "cancelled" });
  let release;
  server.routes["POST /guest-login"] = () => new Promise((resolve) => (release = resolve));
  const login = client.auth.guestLogin();
  const early = new AbortController();
  const waiting = client.join("abc", { signal: early.signal });
  await until(() => release);
  early.abort();
  await assert.rejects(waiting, { code: "cancelled" });
  release({ body: { token: "t", expires_in: 60, user_id: "1" } });
  await login;
  const late = new AbortController();
  const joining = client.join("abc", { signal: late.signal });
  const peer = await server.fake.nextPeer();
  late.abort();
  await assert.rejects(joining, { code: "cancelled" });
  await peer.closed;
});

test("of two who wait for one join, one that gives up does not take the other's", async () => {
  const client = server.client();
  await client.auth.guestLogin();
  const abort = new AbortController();
  const [first, second] = [client.join("abc", { signal: abort.signal }), client.join("abc")];
  const peer = await server.fake.nextPeer();
  abort.abort();
  await assert.rejects(first, { code: "cancelled" });
  peer.welcome();
  assert.equal((await second).connection, "joined");
});

test("createRoom makes a lobby with its settings and joins it", async () => {
  const client = server.client();
  await client.auth.guestLogin();
  server.routes["POST /api/rpc"] = () => ({ body: { result: "game:new" } });
  const joined = client.createRoom({ settings: { width: 5 } });
  (await server.fake.nextPeer()).welcome();
  assert.equal((await joined).id, "new");
  assert.deepEqual(server.fake.requests.at(-1).body, { script: "create_lobby", args: [4, { width: 5 }] });
});

test("rooms() asks for further pages as they are needed, and not for ever", async () => {
  const client = server.client();
  await client.auth.guestLogin();
  const lobby = (id) => ({ id: `game:${id}`, members: 1, capacity: 4, created_at: 5 });
  server.routes["POST /api/rpc"] = ({ body: { args } }) => ({ body: { result: { lobbies: [lobby(args.length)], cursor: "c" } } });
  const seen = [];
  for await (const { id } of client.rooms({ limit: 1 })) seen.push(id);
  assert.deepEqual(seen, ["game:1", "game:2"], "the server says the same page again");
  server.routes["POST /api/rpc"] = () => ({ body: { result: { lobbies: [{ id: 5 }], cursor: null } } });
  await assert.rejects(client.listRooms(), { code: "bad_response" });
});

test("listeners: once, a signal, any event, and names that are the SDK's own", async () => {
  const { room, peer } = await server.join();
  const heard = [];
  const abort = new AbortController();
  room.on("e", (payload) => heard.push(`once ${payload}`), { once: true });
  room.on("e", (payload) => heard.push(`signal ${payload}`), { signal: abort.signal });
  room.onEvent("connected", (payload) => heard.push(`script's ${payload}`));
  peer.send({ type: "batch", events: [event(1), event(2), event(3, "connected")] });
  await until(() => heard.length === 4);
  abort.abort();
  peer.send({ type: "batch", events: [event(4), event(5, "end")] });
  await room.next("end");
  assert.deepEqual(heard, ["once 1", "signal 1", "signal 2", "script's 3"]);
});

test("next waits for one event, that fits, for so long, until taken back, and no longer than the room", async () => {
  const { room, peer } = await server.join();
  const wanted = room.next("e", { where: ({ payload }) => payload > 1 });
  peer.send({ type: "batch", events: [event(1), event(2)] });
  assert.deepEqual(await wanted, event(2));
  await assert.rejects(room.next("e", { timeoutMs: 5 }), { code: "timeout" });
  await assert.rejects(room.next("e", { signal: AbortSignal.abort() }), { code: "cancelled" });
  const over = room.next("e");
  room.close();
  await assert.rejects(over, { code: "disconnected" });
  await assert.rejects(room.next("e"), { code: "disconnected" });
});

test("events() gives all events in order, and ends with the room", async () => {
  const { room, peer } = await server.join();
  const seen = [];
  const done = (async () => {
    for await (const { seq } of room.events()) seen.push(seq);
  })();
  peer.send({ type: "batch", events: [event(1), event(2), event(3, "connected")] });
  await until(() => seen.length === 3);
  room.close();
  await done;
  assert.deepEqual(seen, [1, 2, 3]);
});

test("events() that nobody takes are given up in time", async () => {
  const { room, peer } = await server.join();
  const events = room.events();
  const first = events.next();
  const many = Array.from({ length: 5000 }, (_, index) => event(index + 1));
  peer.sendLong(JSON.stringify({ type: "batch", events: many }));
  await first;
  await assert.rejects(async () => {
    for await (const _ of events) void _;
  }, { code: "queue_full" });
});

test("the state goes through reducers, and onChange tells of it once a message", async () => {
  const add = (state, payload, { seq }) => ({ sum: state.sum + payload, seq });
  const { room, peer } = await server.join({ welcome: { state: { sum: 0 } }, prepare: (one) => one.reduce({ e: add, toString: add }) });
  const changes = [];
  room.onChange((state) => changes.push(state.sum));
  room.on("e", () => changes.push(`in a handler ${room.state.sum}`));
  peer.send({ type: "batch", events: [event(1), event(2), event(3, "other"), event(3)] });
  peer.send({ type: "snapshot", payload: { sum: 100 }, seq: 9, epoch: "1f" });
  peer.send(event(10, "constructor"));
  peer.send(event(11, "end"));
  await room.next("end");
  assert.deepEqual(changes, ["in a handler 1", "in a handler 3", 3, 100]);
});

test("send says whether it sent; what cannot be sent is an error at once", async () => {
  const { room, peer } = await server.join();
  assert.equal(room.send("jump", { h: 1 }), true);
  assert.deepEqual(await peer.receive(), { action: "jump", payload: { h: 1 } });
  const loop = {};
  loop.loop = loop;
  for (const payload of [loop, () => 1, 5n]) {
    assert.throws(() => room.send("jump", payload), { code: "bad_request", outcome: "none" });
    for (const once of [true, false]) await assert.rejects(room.request("jump", payload, { once }), { code: "bad_request", outcome: "none" });
  }
  assert.throws(() => room.send("jump", "ä".repeat(33_000)), { code: "too_large", outcome: "none", kind: "usage" });
  await assert.rejects(room.request("jump", "x".repeat(66_000), { once: true }), { code: "too_large" });
  room.close();
  assert.equal(room.send("jump"), false);
  await assert.rejects(room.request("jump"), { code: "disconnected", outcome: "none" });
  assert.equal(room.stats().droppedInputs, 1);
});

test("a request is taken back by its signal; its answer is nobody's", async () => {
  const { room, peer, log } = await server.join();
  const abort = new AbortController();
  const [plain, once] = [false, true].map((isOnce) => room.request("a", null, { once: isOnce, signal: abort.signal }));
  const inputs = [await peer.receive(), await peer.receive()];
  abort.abort();
  for (const request of [plain, once]) await assert.rejects(request, { code: "cancelled", outcome: "unknown" });
  await assert.rejects(room.request("a", null, { signal: abort.signal }), { code: "cancelled", outcome: "none" });
  for (const { id } of inputs) peer.send({ type: "reply", id, result: 1 });
  peer.send({ type: "error", id: inputs[0].id, payload: { code: "busy", message: "Busy" } });
  peer.send(event(1, "end"));
  await room.next("end");
  assert.deepEqual(log, [["connected", false], ["end", 1]]);
});

test("no more than 1,024 requests wait for their answers", async () => {
  const { room } = await server.join();
  const requests = Array.from({ length: 1025 }, () => room.request("a"));
  await assert.rejects(requests.pop(), { code: "queue_full", outcome: "none" });
  room.close();
  for (const request of requests) await assert.rejects(request, { code: "disconnected", outcome: "unknown" });
});

test("leave calls leave_lobby and closes, and the server's own close is no other end", async () => {
  for (const isServerFirst of [false, true]) {
    const { room, peer, log } = await server.join();
    server.routes["POST /api/rpc"] = async () => {
      if (isServerFirst) peer.close(4500, "left the lobby");
      if (isServerFirst) await peer.closed;
      return { body: { result: "OK" } };
    };
    await room.leave();
    assert.deepEqual(server.fake.requests.at(-1).body, { script: "leave_lobby", args: [], keys: ["game:abc"] });
    assert.deepEqual(log.at(-1), ["disconnected", 1000, false, null]);
    assert.equal((await peer.closed).code, isServerFirst ? 4500 : 1000);
  }
});

test("leave closes also if the server cannot be told, and says so", async () => {
  const { room, log } = await server.join();
  server.routes["POST /api/rpc"] = () => refusal(503, "unavailable");
  await assert.rejects(room.leave(), { code: "unavailable" });
  assert.deepEqual(log.at(-1), ["disconnected", 1000, false, null]);
});

test("a handler that closes the room is the last one that hears anything", async () => {
  const { room, peer, log } = await server.join({ prepare: (one) => one.on("e", () => one.close()) });
  room.on("e", () => log.push("too late"));
  peer.send({ type: "batch", events: [event(1), event(2)] });
  await peer.closed;
  assert.deepEqual(log, [["connected", false], ["disconnected", 1000, false, null]]);
});

test("refusals that are for good end a room at once, with the first close and the refusal as the cause", async () => {
  for (const [status, code] of [[400, "bad_request"], [403, "conflict"], [404, "not_found"]]) {
    const { room, peer, log } = await server.join();
    const left = room.next("disconnected", { where: ({ payload }) => !payload.willReconnect });
    peer.close(4002, "slow_consumer");
    const again = await server.fake.nextPeer();
    again.send({ type: "error", payload: { code, message: "no", status, details: { a: 1 } } });
    again.close(4505, code);
    const { payload: end } = await left;
    assert.deepEqual([end.code, end.reason], [4002, "slow_consumer"]);
    assert.deepEqual([end.cause.code, end.cause.status, end.cause.details], [code, status, { a: 1 }]);
    assert.equal(log.filter(([name]) => name === "reconnecting").length, 1);
  }
});

test("a refused first join fails with all that the server says", async () => {
  const client = server.client();
  await client.auth.guestLogin();
  const joined = client.join("abc");
  const peer = await server.fake.nextPeer();
  peer.send({ type: "error", payload: { code: "busy", message: "Full", status: 503, retry_after: 5 } });
  peer.close(4005, "busy");
  await assert.rejects(joined, { code: "busy", kind: "server", message: "Full", status: 503, retryAfter: 5, closeCode: 4005, retryable: true });
});

test("refusals that nobody can read are asked again for ever", async () => {
  const { peer, room, log } = await server.join();
  let upgrades = 0;
  server.fake.onUpgrade = () => ((upgrades += 1) > 8 ? undefined : 418);
  peer.destroy();
  (await server.fake.nextPeer()).welcome();
  await until(() => room.connection === "joined");
  assert.equal(log.filter(([name]) => name === "reconnecting").length, 9);
});

test("a ban says until when", async () => {
  for (const [reason, details] of [["banned until 1795913806123: be nice", { until: 1795913806123, reason: "be nice" }], ["banned", { until: null, reason: "" }]]) {
    const { room, peer } = await server.join();
    const left = room.next("disconnected");
    peer.close(4501, reason);
    const { payload: end } = await left;
    assert.deepEqual([end.code, end.willReconnect, end.cause.details], [4501, false, details]);
  }
});

test("a rejoin without a welcome keeps the seat", async () => {
  const { peer } = await server.join({ client: server.client({ connectTimeoutMs: 100 }) });
  peer.destroy();
  assert.equal((await (await server.fake.nextPeer()).closed).code, 4000);
});

test("errors that nobody hears are logged, once for each code", async () => {
  const logged = [];
  const client = server.client({ logger: (level, message, fields) => level === "warn" && logged.push([message, fields.room]) });
  await client.auth.guestLogin();
  const joined = client.join("abc");
  const peer = await server.fake.nextPeer();
  peer.welcome();
  const room = await joined;
  for (const code of ["busy", "busy", "too_fast"]) peer.send({ type: "error", payload: { code, message: "why" } });
  peer.send(event(1, "end"));
  await room.next("end");
  assert.deepEqual(logged, [["busy: why", "abc"], ["too_fast: why", "abc"]]);
});

test("what handlers throw and reject with goes to onHandlerError, and disturbs nobody", async () => {
  const failed = [];
  const client = server.client({ onHandlerError: (error, name) => failed.push([error.message, name]) });
  const { room, peer, log } = await server.join({ client, prepare: (one) => one.reduce({ e: () => fail("reducer") }) });
  const fail = (message) => {
    throw new Error(message);
  };
  room.on("e", () => fail("handler"));
  room.on("e", async () => fail("async"));
  peer.send(event(1));
  await until(() => failed.length === 3);
  assert.deepEqual(failed, [["reducer", "e"], ["handler", "e"], ["async", "e"]]);
  assert.deepEqual(log.at(-1), ["e", 1]);
});

test("a simulated network delays, breaks, and keeps the order", async () => {
  const client = server.client({ simulate: badNetwork({ latencyMs: 40, jitterMs: 40, dropEveryS: 0.4 }) });
  const { room, peer, log } = await server.join({ client });
  peer.onMessage = ({ id }) => peer.send({ type: "reply", id, result: null });
  assert.ok((await room.ping()) >= 39);
  for (let seq = 1; seq <= 5; seq += 1) peer.send(event(seq));
  await until(() => log.length >= 7);
  assert.deepEqual(log.slice(1, 6), [1, 2, 3, 4, 5].map((seq) => ["e", seq]));
  assert.deepEqual(log[6], ["disconnected", 1006, true, "disconnected"]);
});

test("close() of the client ends rooms, joins and calls", async () => {
  const { client, log } = await server.join();
  server.routes["POST /api/rpc"] = () => new Promise(() => {});
  const call = client.rpc("slow");
  const joining = client.join("other");
  await until(() => server.calls("POST /api/rpc") === 1);
  await client.close();
  await assert.rejects(call, (error) => error instanceof GodraError && error.code === "cancelled" && error.outcome === "unknown");
  await assert.rejects(joining, { code: "cancelled" });
  assert.deepEqual(log.at(-1), ["disconnected", 1000, false, null]);
});
