// The WebSocket half of the SDK, with the package `ws` as the independent client, against a server that does what
// each test says.

import assert from "node:assert/strict";
import { afterEach, beforeEach, test as testWithoutLimit } from "node:test";
import WebSocket from "ws";

import { GodraClient, GodraError } from "../godra.js";
import { FakeServer } from "./fake-server.js";

const test = (name, ...rest) => testWithoutLimit(name, { timeout: 30_000, ...(rest.length > 1 ? rest[0] : {}) }, rest.at(-1));

let server;
let clients;
beforeEach(async () => {
  server = await FakeServer.start();
  clients = [];
});
afterEach(async () => {
  for (const client of clients) client.realtime.close();
  await server.stop();
});

const QUICK = { firstDelayMs: 4, maxDelayMs: 16 };

function newClient(options = {}) {
  const client = new GodraClient(server.url, { WebSocket, heartbeatMs: 0, reconnect: QUICK, token: "a.b.c", ...options });
  clients.push(client);
  return client;
}

/** A connected client, its realtime half, the server's end, and a log of all that is told to listeners of `names`. */
async function connected(options = {}, names = []) {
  const client = newClient(options);
  const { realtime } = client;
  const log = [];
  for (const name of names) realtime.on(name, (payload) => log.push([name, payload]));
  const welcome = realtime.connect("a.b.c", "abc");
  const peer = await server.nextPeer();
  peer.welcome();
  return { client, realtime, peer, log, welcome: await welcome };
}

/** Resolves with the payload of the next event of that name. */
function next(realtime, name) {
  return new Promise((resolve) => {
    const stop = realtime.on(name, (payload) => {
      stop();
      resolve(payload);
    });
  });
}

test("connect sends room and token, and resolves with the welcome", async () => {
  const { realtime, peer, welcome } = await connected();
  assert.equal(peer.query.get("game_id"), "abc");
  assert.equal(peer.token, "a.b.c");
  assert.equal(welcome.game_id, "abc");
  assert.equal(realtime.connected, true);
  assert.deepEqual(realtime.welcome, welcome);
});

test("a lobby id is taken with and without its prefix", async () => {
  const { realtime } = newClient();
  const welcome = realtime.connect(null, "game:abc");
  const peer = await server.nextPeer();
  peer.welcome();
  assert.equal((await welcome).game_id, "abc");
  assert.equal(peer.query.get("game_id"), "abc");
  assert.equal(peer.token, "a.b.c", "the client's own token");
});

test("what cannot be connected is rejected without a connection", async () => {
  await assert.rejects(newClient().realtime.connect("t", "a b"), { code: "bad_request" });
  await assert.rejects(newClient({ token: null }).realtime.connect(null, "abc"), { code: "unauthorized" });
  await assert.rejects(newClient().realtime.connect("not a token", "abc"), { code: "unauthorized" });
  await assert.rejects(newClient().realtime.connect(() => "", "abc"), { code: "unauthorized" });
  assert.equal(server.peers.length, 0);
});

test("without a WebSocket class it says how to pass one", { skip: globalThis.WebSocket !== undefined }, async () => {
  await assert.rejects(newClient({ WebSocket: undefined }).realtime.connect("t", "abc"), {
    code: "no_websocket",
    message: /new GodraClient\(url, \{ WebSocket \}\)/,
  });
});

test("events go to their name's listeners and to state_update, in order, with the whole event", async () => {
  const { realtime, peer, log } = await connected({}, ["state_update"]);
  const moves = [];
  realtime.on("player_moved", (payload, event) => moves.push([payload, event.seq]));
  const last = next(realtime, "chat");
  peer.send({ type: "player_moved", payload: { x: 1 }, seq: 1 });
  peer.send({ type: "batch", events: [
    { type: "player_moved", payload: { x: 2 }, seq: 2 },
    { type: "snapshot", payload: { players: [] }, seq: 3 },
    { type: "chat", payload: { message: "hi" }, seq: 4 },
  ] });
  assert.deepEqual(await last, { message: "hi" });
  assert.deepEqual(moves, [[{ x: 1 }, 1], [{ x: 2 }, 2]]);
  assert.deepEqual(log.map(([, event]) => event.type), ["welcome", "player_moved", "player_moved", "snapshot", "chat"]);
  assert.deepEqual(log.map(([, event]) => event.seq), [undefined, 1, 2, 3, 4]);
});

test("text in all alphabets, long frames and fragments arrive whole", async () => {
  const { realtime, peer } = await connected();
  const message = "päivää 🎲 ".repeat(500);
  const bytes = Buffer.from(JSON.stringify({ type: "chat", payload: { message } }));
  const first = next(realtime, "chat");
  peer.sendFrame(1, bytes);
  assert.equal((await first).message, message);
  const second = next(realtime, "chat");
  peer.sendFrame(1, bytes.subarray(0, 31), false);
  peer.sendFrame(0, bytes.subarray(31), true);
  assert.equal((await second).message, message);
  const third = next(realtime, "chat");
  peer.sendFrame(2, bytes);
  assert.equal((await third).message, message, "binary");
});

test("listeners end by off, by the function that on gave, and all at once", async () => {
  const { realtime, peer } = await connected();
  const calls = [];
  const [a, b, c] = ["a", "b", "c"].map((name) => () => calls.push(name));
  const stop = realtime.on("e", a);
  for (const callback of [b, c, b]) realtime.on("e", callback);
  const send = async () => {
    const heard = next(realtime, "end");
    peer.send({ type: "batch", events: [{ type: "e" }, { type: "end" }] });
    await heard;
    return calls.splice(0).join("");
  };
  assert.equal(await send(), "abcb");
  stop();
  assert.equal(await send(), "bcb");
  realtime.off("e", b);
  assert.equal(await send(), "cb");
  realtime.off("e", () => {});
  assert.equal(await send(), "cb");
  realtime.off("e");
  assert.equal(await send(), "");
  assert.throws(() => realtime.on("e"), TypeError);
});

test("a listener that is ended during a delivery is not skipped over", async () => {
  const { realtime, peer } = await connected();
  const calls = [];
  const stop = realtime.on("e", () => {
    calls.push("a");
    stop();
  });
  realtime.on("e", () => calls.push("b"));
  const heard = next(realtime, "end");
  peer.send({ type: "batch", events: [{ type: "e" }, { type: "e" }, { type: "end" }] });
  await heard;
  assert.equal(calls.join(""), "abb");
});

test("a listener that throws disturbs nobody, and is reported", async () => {
  const { realtime, peer } = await connected();
  const reported = [];
  globalThis.reportError = (error) => reported.push(error.message);
  realtime.on("e", () => {
    throw new Error("mine");
  });
  const heard = next(realtime, "e");
  peer.send({ type: "e", payload: 1 });
  assert.equal(await heard, 1);
  assert.deepEqual(reported, ["mine"]);
  delete globalThis.reportError;
});

test("close() in the middle of a batch ends it there", async () => {
  const { realtime, peer, log } = await connected({}, ["chat"]);
  realtime.on("chat", () => realtime.close());
  peer.send({ type: "batch", events: [{ type: "chat", payload: 1 }, { type: "chat", payload: 2 }] });
  assert.equal((await peer.closed).code, 1000);
  assert.deepEqual(log, [["chat", 1]]);
});

test("a script's event cannot pass for one of the SDK's own", async () => {
  const { realtime, peer, log } = await connected({}, ["disconnected", "reconnecting", "state_update"]);
  log.length = 0;
  const heard = next(realtime, "end");
  peer.send({ type: "disconnected", payload: { code: 4500 }, seq: 1 });
  peer.send({ type: "state_update", payload: {}, seq: 2 });
  peer.send({ type: "end", seq: 3 });
  await heard;
  assert.deepEqual(log.map(([name, event]) => [name, event.type]), [
    ["state_update", "disconnected"],
    ["state_update", "state_update"],
    ["state_update", "end"],
  ]);
});

test("sendInput sends action and payload, and no id", async () => {
  const { realtime, peer } = await connected();
  assert.equal(realtime.sendInput("move_player", { x: 1, y: 2 }), true);
  assert.equal(realtime.sendInput("jump"), true);
  assert.deepEqual(await peer.receive(), { action: "move_player", payload: { x: 1, y: 2 } });
  assert.deepEqual(await peer.receive(), { action: "jump", payload: null });
});

test("sendInput says when it did not send", async () => {
  const { realtime } = newClient();
  assert.equal(realtime.sendInput("jump"), false);
  const open = await connected({ maxBufferedBytes: -1 });
  assert.equal(open.realtime.sendInput("jump"), false);
});

test("replies find their requests, in whatever order", async () => {
  const { realtime, peer } = await connected();
  const requests = ["a", "b", "c"].map((action) => realtime.request(action, action));
  const ids = [];
  for (const action of ["a", "b", "c"]) {
    const message = await peer.receive();
    assert.equal(message.action, action);
    ids.push(message.id);
  }
  assert.equal(new Set(ids).size, 3);
  const failure = { code: "too_fast", message: "Too fast", details: { x: 1, y: 2 } };
  peer.send({ type: "batch", events: [
    { type: "reply", id: ids[2], result: { ok: true } },
    { type: "error", id: ids[0], payload: failure },
    { type: "reply", id: ids[1], result: null },
  ] });
  await assert.rejects(requests[0], (error) => error instanceof GodraError && Object.entries(failure).every(([key, value]) => {
    assert.deepEqual(error[key], value);
    return true;
  }));
  assert.equal(await requests[1], null);
  assert.deepEqual(await requests[2], { ok: true });
});

test("a request without a reply times out, and its late reply is nobody's", async () => {
  const { realtime, peer, log } = await connected({}, ["error", "state_update"]);
  log.length = 0;
  await assert.rejects(realtime.request("slow", {}, { timeoutMs: 10 }), { code: "timeout", message: /slow.*10 ms/ });
  const { id } = await peer.receive();
  peer.send({ type: "reply", id, result: 1 });
  const heard = next(realtime, "end");
  peer.send({ type: "end" });
  await heard;
  assert.deepEqual(log.map(([, event]) => event.type), ["end"]);
});

test("requests fail at once when there is no connection, and when it is lost", async () => {
  await assert.rejects(newClient().realtime.request("x"), { code: "disconnected" });
  const { realtime, peer } = await connected();
  const [first, second] = [realtime.request("x"), realtime.request("y")];
  peer.close(4002, "slow_consumer");
  await assert.rejects(first, { code: "disconnected", message: /4002: slow_consumer/ });
  await assert.rejects(second, { code: "disconnected" });
  const again = await connected();
  const third = again.realtime.request("x");
  again.realtime.close();
  await assert.rejects(third, { code: "disconnected" });
});

test("errors that nobody waits for are events", async () => {
  const { realtime, peer } = await connected();
  const check = async (message, expected) => {
    const heard = next(realtime, "error");
    peer.send(message);
    const { code, message: text } = await heard;
    assert.deepEqual({ code, message: text }, expected);
  };
  await check({ type: "error", payload: { code: "busy", message: "Busy" } }, { code: "busy", message: "Busy" });
  await check({ type: "error", id: 999, payload: { code: "busy", message: "Busy" } }, { code: "busy", message: "Busy" });
  await check({ type: "error" }, { code: "error", message: "The server reported an error" });
});

test("nonsense from the server is told, and the connection goes on", async () => {
  const { realtime, peer, log } = await connected({}, ["error"]);
  const nonsense = ["", "{", "null", "3", '"x"', "{}", '{"type":5}', '{"type":"batch"}', '{"type":"batch","events":[null,7,{}]}'];
  for (const text of nonsense) peer.sendText(text);
  const heard = next(realtime, "end");
  peer.send({ type: "end" });
  await heard;
  // A batch without events has a type, so it passes for an event; of the last batch each entry is told.
  assert.equal(log.length, nonsense.length - 2 + 3);
  assert.ok(log.every(([, error]) => error.code === "bad_message"));
});

test("broken framing ends the connection, and it is made again", async () => {
  const { realtime, peer } = await connected();
  const lost = next(realtime, "disconnected");
  peer.sendRaw(Buffer.from([0xf1, 0x00]));
  assert.equal((await lost).willReconnect, true);
  (await server.nextPeer()).welcome();
  await next(realtime, "connected");
});

test("each close code comes back or stays away as the protocol says", async () => {
  const check = async (code, willReconnect) => {
    const { realtime, peer } = await connected();
    const lost = next(realtime, "disconnected");
    peer.close(code, "why");
    assert.deepEqual(await lost, { code, reason: "why", willReconnect });
    if (willReconnect) {
      const welcomed = next(realtime, "connected");
      (await server.nextPeer()).welcome({ seq: 9 });
      assert.equal((await welcomed).seq, 9);
    }
    assert.equal(realtime.connected, willReconnect);
    realtime.close();
  };
  for (const code of [1001, 1011, 1012, 4000, 4002, 4003, 4004, 4499]) await check(code, true);
  for (const code of [1000, 1002, 1007, 1009, 4001, 4500, 4501, 4502, 4503, 4504, 4999]) await check(code, false);
});

test("a connection that just breaks comes back", async () => {
  const { realtime, peer } = await connected();
  const lost = next(realtime, "disconnected");
  peer.destroy();
  assert.deepEqual(await lost, { code: 1006, reason: "", willReconnect: true });
  const again = await server.nextPeer();
  assert.equal(again.query.get("game_id"), "abc");
  again.welcome();
  await next(realtime, "connected");
  realtime.sendInput("jump");
  assert.equal((await again.receive()).action, "jump");
});

test("reconnect: false stays away", async () => {
  const { realtime, peer } = await connected({ reconnect: false });
  const lost = next(realtime, "disconnected");
  peer.destroy();
  assert.equal((await lost).willReconnect, false);
});

test("delays double from attempt to attempt, up to their limit, and are drawn from the upper half", async () => {
  const { realtime, peer, log } = await connected({}, ["reconnecting"]);
  server.routes["GET /ready"] = () => ({ status: 503 });
  server.onUpgrade = () => 503;
  peer.destroy();
  while (log.length < 6) await next(realtime, "reconnecting");
  log.slice(0, 6).forEach(([, { attempt, delayMs }], index) => {
    const ceilingMs = [4, 8, 16, 16, 16, 16][index];
    assert.equal(attempt, index + 1);
    assert.ok(delayMs >= ceilingMs / 2 && delayMs <= ceilingMs, `attempt ${attempt}: ${delayMs} ms`);
  });
});

test("after a shutdown clients spread over a longer time", async () => {
  const { realtime, peer } = await connected({ reconnect: { firstDelayMs: 2, maxDelayMs: 1000 } });
  const retry = next(realtime, "reconnecting");
  peer.close(1001, "shutting down");
  const { delayMs } = await retry;
  assert.ok(delayMs >= 5 && delayMs <= 10, `${delayMs} ms`);
});

test("a restart on the same address is survived", async () => {
  const { realtime } = await connected();
  const { port } = server;
  const lost = next(realtime, "disconnected");
  await server.stop();
  assert.equal((await lost).willReconnect, true);
  await next(realtime, "reconnecting");
  server = await FakeServer.start(port);
  (await server.nextPeer()).welcome();
  await next(realtime, "connected");
});

test("a server that is up and keeps saying no ends the attempts", async () => {
  const { realtime, peer, log } = await connected({}, ["error", "disconnected"]);
  server.onUpgrade = () => 403;
  peer.destroy();
  while (log.at(-1)?.[1].willReconnect !== false) await next(realtime, "disconnected");
  const [first, error, last] = log;
  assert.equal(first[1].willReconnect, true);
  assert.deepEqual([error[0], error[1].code, error[1].status], ["error", "forbidden", 403]);
  assert.equal(last[0], "disconnected");
  assert.equal(realtime.connected, false);
});

test("a fixed token that was refused is not tried again", async () => {
  const { realtime, peer } = await connected();
  let upgrades = 0;
  server.onUpgrade = () => {
    upgrades += 1;
    return 401;
  };
  peer.destroy();
  await next(realtime, "disconnected");
  await next(realtime, "disconnected");
  assert.equal(upgrades, 1);
});

test("a token function is asked before every attempt, and brings an expired token's player back", async () => {
  const { realtime } = newClient();
  let count = 0;
  const welcome = realtime.connect(async () => `token.${(count += 1)}`, "abc");
  const first = await server.nextPeer();
  assert.equal(first.token, "token.1");
  first.welcome();
  await welcome;
  first.close(4001, "token_expired");
  const second = await server.nextPeer();
  assert.equal(second.token, "token.2");
});

test("a token function that fails: rejects a connect, delays a reconnect", async () => {
  const { realtime } = newClient();
  const boom = () => Promise.reject(new Error("no network"));
  await assert.rejects(realtime.connect(boom, "abc"), /no network/);
  let count = 0;
  const welcome = realtime.connect(() => ((count += 1) === 2 ? boom() : `token.${count}`), "abc");
  const first = await server.nextPeer();
  first.welcome();
  await welcome;
  first.destroy();
  assert.equal((await server.nextPeer()).token, "token.3");
});

test("a refused connect tells what can be known", async () => {
  const check = async (options, expected) => {
    const error = await newClient(options).realtime.connect("t", "abc").catch((caught) => caught);
    assert.ok(error instanceof GodraError);
    assert.deepEqual({ code: error.code, status: error.status }, expected);
    return error.message;
  };
  for (const [status, code] of [[400, "bad_request"], [401, "unauthorized"], [403, "forbidden"], [503, "unavailable"]]) {
    server.onUpgrade = () => status;
    assert.match(await check({}, { code, status }), new RegExp(`HTTP status ${status}`));
  }
  // A browser's WebSocket does not tell the status.
  class Silent extends WebSocket {
    set onerror(_callback) {
      super.onerror = () => {};
    }
  }
  const silent = { WebSocket: Silent };
  assert.match(await check(silent, { code: "refused", status: undefined }), /joinLobby\(\) tells the reason/);
  server.routes["GET /ready"] = () => ({ status: 503 });
  await check(silent, { code: "unavailable", status: undefined });
  await server.stop();
  await check(silent, { code: "unavailable", status: undefined });
  await server.listen(0);
});

test("a connection that is closed before its welcome is told with its code, and not made again", async () => {
  const { realtime } = newClient();
  const welcome = realtime.connect("t", "abc");
  (await server.nextPeer()).close(4501, "banned");
  await assert.rejects(welcome, { code: "closed", closeCode: 4501, message: /4501: banned/ });
  assert.equal(realtime.connected, false);
});

test("a reconnect that is closed for good before its welcome is the end", async () => {
  const { realtime, peer } = await connected();
  peer.destroy();
  await next(realtime, "disconnected");
  (await server.nextPeer()).close(4501, "banned");
  const { code, willReconnect } = await next(realtime, "disconnected");
  assert.deepEqual([code, willReconnect], [4501, false]);
});

test("without a welcome in time the connect fails", async () => {
  const { realtime } = newClient({ connectTimeoutMs: 500 });
  await assert.rejects(realtime.connect("t", "abc"), { code: "timeout", message: /500 ms/ });
  const peer = await server.nextPeer();
  assert.equal((await peer.closed).code, 1000);
});

test("an event before the welcome is told as an error", async () => {
  const { realtime } = newClient();
  const error = next(realtime, "error");
  const welcome = realtime.connect("t", "abc");
  const peer = await server.nextPeer();
  peer.send({ type: "chat", payload: {} });
  peer.welcome();
  await welcome;
  assert.equal((await error).code, "bad_message");
});

test("close() while connecting rejects the connect", async () => {
  const { realtime } = newClient();
  const welcome = realtime.connect("t", "abc");
  const peer = await server.nextPeer();
  realtime.close();
  await assert.rejects(welcome, { code: "cancelled" });
  await peer.closed;
  const never = realtime.connect(() => new Promise(() => {}), "abc");
  realtime.close();
  await assert.rejects(never, { code: "cancelled" });
});

test("close() while waiting for a reconnect ends it", async () => {
  const { realtime, peer } = await connected({ reconnect: { firstDelayMs: 60_000, maxDelayMs: 60_000 } });
  peer.destroy();
  await next(realtime, "disconnected");
  const closed = next(realtime, "disconnected");
  realtime.close();
  assert.deepEqual(await closed, { code: 1000, reason: "closed by the client", willReconnect: false });
});

test("close() inside a disconnected listener ends the reconnect", async () => {
  const { realtime, peer, log } = await connected({}, ["reconnecting"]);
  const ended = new Promise((resolve) => {
    realtime.on("disconnected", ({ willReconnect }) => (willReconnect ? realtime.close() : resolve()));
  });
  peer.destroy();
  await ended;
  assert.deepEqual(log, []);
});

test("close() closes with 1000 and tells so once; a second one does nothing", async () => {
  const { realtime, peer, log } = await connected({}, ["disconnected"]);
  realtime.close();
  realtime.close();
  assert.deepEqual(log, [["disconnected", { code: 1000, reason: "closed by the client", willReconnect: false }]]);
  assert.equal((await peer.closed).code, 1000);
});

test("a second connect leaves the first lobby", async () => {
  const { realtime, peer } = await connected();
  const welcome = realtime.connect("t", "other");
  assert.equal((await peer.closed).code, 1000);
  const second = await server.nextPeer();
  peer.destroy();
  second.welcome();
  assert.equal((await welcome).game_id, "other");
  assert.equal(realtime.connected, true);
});

test("ping measures the round trip through the heartbeat action", async () => {
  const { realtime, peer } = await connected();
  assert.equal(realtime.latencyMs, null);
  const ping = realtime.ping();
  const { action, id } = await peer.receive();
  assert.equal(action, "heartbeat");
  peer.send({ type: "reply", id, result: null });
  const latencyMs = await ping;
  assert.ok(latencyMs > 0 && latencyMs < 5_000);
  assert.equal(realtime.latencyMs, latencyMs);
});

test("heartbeats go on while they are answered, by whatever message", async () => {
  const { realtime, peer } = await connected({ heartbeatMs: 5, requestTimeoutMs: 1_000 });
  for (const answer of ["reply", "chat", "reply"]) {
    const { id } = await peer.receive();
    peer.send({ type: answer, id, result: null });
  }
  assert.equal(realtime.connected, true);
});

test("a connection that has gone silent is lost, and made again", async () => {
  const { realtime, peer } = await connected({ heartbeatMs: 5, requestTimeoutMs: 20 });
  const lost = await next(realtime, "disconnected");
  assert.deepEqual(lost, { code: 1006, reason: "no answer to a heartbeat", willReconnect: true });
  await peer.closed;
  (await server.nextPeer()).welcome();
  await next(realtime, "connected");
});

test("a connection that fails again and again right after its welcome is not hammered", async () => {
  const { realtime, peer, log } = await connected({}, ["reconnecting"]);
  peer.close(4002, "slow_consumer");
  for (let round = 0; round < 3; round += 1) {
    const again = await server.nextPeer();
    again.welcome();
    await next(realtime, "connected");
    again.close(4002, "slow_consumer");
  }
  await next(realtime, "reconnecting");
  assert.deepEqual(log.map(([, { attempt }]) => attempt), [1, 2, 3, 4]);
});

test("a batch of a thousand events is delivered whole and in order", async () => {
  const { realtime, peer } = await connected();
  const seen = [];
  realtime.on("n", (payload) => seen.push(payload));
  const events = Array.from({ length: 1000 }, (_, index) => ({ type: "n", payload: index, seq: index + 1 }));
  const heard = next(realtime, "end");
  peer.send({ type: "batch", events: [...events, { type: "end" }] });
  await heard;
  assert.deepEqual(seen, events.map(({ payload }) => payload));
});
