// Coming back to a lobby: what the client asks to go on from, what it takes, and what it sends again. Against a server that does
// what each test says.

import assert from "node:assert/strict";
import { afterEach, beforeEach, test as testWithoutLimit } from "node:test";
import WebSocket from "ws";

import { GodraClient } from "../godra.js";
import { FakeServer } from "./fake-server.js";

const test = (name, run) => testWithoutLimit(name, { timeout: 30_000 }, run);

const QUICK = { firstDelayMs: 4, maxDelayMs: 16 };

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

/** A player in a lobby, with a log of what the game is told: lifecycle events by name, others as `type:seq`. */
async function connected({ welcome = {}, token = "a.b.c", ...options } = {}) {
  const client = new GodraClient(server.url, { WebSocket, heartbeatMs: 0, reconnect: QUICK, token: "a.b.c", ...options });
  clients.push(client);
  const { realtime } = client;
  const log = [];
  realtime.on("connected", ({ recovered }) => log.push(recovered ? "recovered" : "connected"));
  realtime.on("disconnected", ({ willReconnect }) => log.push(willReconnect ? "lost" : "over"));
  realtime.on("state_update", ({ type, seq }) => type !== "welcome" && log.push(`${type}:${seq}`));
  const joined = realtime.connect(token, "abc");
  const peer = await server.nextPeer();
  peer.welcome({ epoch: "1f", seq: 4, n: 0, ...welcome });
  await joined;
  return { client, realtime, peer, log };
}

function next(realtime, name) {
  return new Promise((resolve) => {
    const stop = realtime.on(name, (payload) => {
      stop();
      resolve(payload);
    });
  });
}

/** Sends the events, and waits until the client has seen them. */
async function send({ realtime }, peer, ...events) {
  const seen = next(realtime, "seen");
  peer.send({ type: "batch", events: [...events, { type: "seen" }] });
  await seen;
}

const event = (seq) => ({ type: "e", payload: seq, seq });

/** Cuts the connection; gives the next one, and the position that it asks to go on from. */
async function cut(peer) {
  peer.destroy();
  const again = await server.nextPeer();
  return { again, resume: [again.query.get("epoch"), again.query.get("since")] };
}

test("the first connection asks for nothing, the next for what comes after the welcome", async () => {
  const { peer } = await connected();
  assert.deepEqual([peer.query.get("epoch"), peer.query.get("since")], [null, null]);
  const { resume, again } = await cut(peer);
  assert.deepEqual(resume, ["1f", "4"]);
  assert.equal(again.query.get("game_id"), "abc");
});

test("the place is the last event's, whatever is missing before it", async () => {
  const player = await connected();
  await send(player, player.peer, event(5), event(9), { type: "e" });
  assert.deepEqual((await cut(player.peer)).resume, ["1f", "9"]);
});

test("the place is a snapshot's, also one of another epoch", async () => {
  const player = await connected();
  await send(player, player.peer, { type: "snapshot", payload: {}, seq: 9, epoch: "1f" });
  const { again, resume } = await cut(player.peer);
  assert.deepEqual(resume, ["1f", "9"]);
  again.welcome({ epoch: "1f", seq: 9, recovered: true, state: null });
  await next(player.realtime, "connected");
  await send(player, again, { type: "snapshot", payload: {}, seq: 2, epoch: "20" }, event(3));
  assert.deepEqual((await cut(again)).resume, ["20", "3"]);
});

test("the place is what a heartbeat tells, when nothing came that was for this player", async () => {
  const { realtime, peer } = await connected();
  const ping = realtime.ping();
  const { id } = await peer.receive();
  peer.send({ type: "reply", id, result: { n: 0, seq: 8 } });
  await ping;
  assert.deepEqual((await cut(peer)).resume, ["1f", "8"]);
});

test("another request's result with a seq is no heartbeat", async () => {
  const { realtime, peer } = await connected();
  const request = realtime.request("look");
  const { id } = await peer.receive();
  peer.send({ type: "reply", id, result: { n: 0, seq: 8 } });
  await request;
  assert.deepEqual((await cut(peer)).resume, ["1f", "4"]);
});

test("recovered: the missed events follow, each once, and the game hears of the connection first", async () => {
  const player = await connected();
  await send(player, player.peer, event(5), event(6));
  const { again } = await cut(player.peer);
  again.welcome({ epoch: "1f", seq: 6, recovered: true, state: null });
  // The server may send too much; the client takes nothing twice.
  const events = [event(5), event(6), event(7), event(9), event(9)];
  again.send({ type: "batch", events });
  again.send(event(10));
  await send(player, again);
  assert.deepEqual(player.log, ["connected", "e:5", "e:6", "seen:undefined", "lost", "recovered", "e:7", "e:9", "e:10", "seen:undefined"]);
});

test("not recovered: the state is all there is, and numbers below it are old", async () => {
  const player = await connected();
  await send(player, player.peer, event(5));
  const { again } = await cut(player.peer);
  const welcomed = next(player.realtime, "connected");
  again.welcome({ epoch: "1f", seq: 600, state: { round: 3 } });
  assert.deepEqual((await welcomed).state, { round: 3 });
  await send(player, again, event(600), event(601));
  assert.deepEqual(player.log.slice(3), ["lost", "connected", "e:601", "seen:undefined"]);
});

test("another epoch: numbers begin again", async () => {
  const player = await connected();
  await send(player, player.peer, event(500));
  const { again } = await cut(player.peer);
  again.welcome({ epoch: "20", seq: 1, state: {} });
  await next(player.realtime, "connected");
  await send(player, again, event(1), event(2));
  assert.deepEqual(player.log.slice(4), ["connected", "e:2", "seen:undefined"]);
  assert.deepEqual((await cut(again)).resume, ["20", "2"]);
});

test("a snapshot takes the place of what came before it, wherever it is", async () => {
  const player = await connected();
  const snapshot = (seq, epoch) => ({ type: "snapshot", payload: { seq }, seq, epoch });
  await send(player, player.peer, event(5), snapshot(8, "1f"), event(8), event(9), snapshot(7, "1f"), event(8), snapshot(1, "20"), event(2));
  assert.deepEqual(player.log, ["connected", "e:5", "snapshot:8", "e:9", "snapshot:7", "e:8", "snapshot:1", "e:2", "seen:undefined"]);
});

test("a connection that is lost again before its first event goes on from the same place", async () => {
  const player = await connected();
  await send(player, player.peer, event(7));
  const first = await cut(player.peer);
  first.again.welcome({ epoch: "1f", seq: 7, recovered: true, state: null });
  await next(player.realtime, "connected");
  assert.deepEqual((await cut(first.again)).resume, ["1f", "7"]);
});

test("an attempt that fails forgets nothing", async () => {
  const { peer } = await connected();
  server.onUpgrade = () => {
    server.onUpgrade = () => undefined;
    return 503;
  };
  assert.deepEqual((await cut(peer)).resume, ["1f", "4"]);
});

test("after an end, and after close(), a connect() begins anew", async () => {
  const { realtime, peer } = await connected();
  const over = next(realtime, "disconnected");
  peer.close(4500, "kicked");
  await over;
  for (const _ of [1, 2]) {
    const joined = realtime.connect("a.b.c", "abc");
    const again = await server.nextPeer();
    assert.deepEqual([again.query.get("epoch"), again.query.get("since")], [null, null]);
    again.welcome({ epoch: "1f", seq: 9, n: 0 });
    await joined;
    realtime.close();
  }
});

function tokenOf(user_id) {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  return `${part({ alg: "HS256" })}.${part({ user_id, username: "Änne?>" })}.c2ln`;
}

test("another user asks for nothing that the one before has seen; the same one with a new token does", async () => {
  const users = ["guest:1", "guest:1", "42"];
  const { realtime, peer } = await connected({ token: () => tokenOf(users.shift()) });
  const { again, resume } = await cut(peer);
  assert.deepEqual(resume, ["1f", "4"]);
  again.welcome({ epoch: "1f", seq: 4, recovered: true, state: null, n: 0 });
  await next(realtime, "connected");
  assert.deepEqual((await cut(again)).resume, [null, null]);
});

test("a guest who became a player begins anew", async () => {
  const login = { refresh_token: "r", expires_in: 3600, username: "ann", role: "guest" };
  server.routes["POST /guest-login"] = () => ({ body: { ...login, token: "t1", user_id: "guest:1" } });
  server.routes["POST /account/upgrade"] = () => ({ body: { ...login, token: "t2", user_id: "42" } });
  const client = new GodraClient(server.url, { WebSocket, heartbeatMs: 0, reconnect: QUICK });
  clients.push(client);
  await client.auth.guestLogin();
  const joined = client.realtime.connect(null, "abc");
  const peer = await server.nextPeer();
  peer.welcome();
  await joined;
  await client.auth.upgrade("ann", "12345678");
  const { again, resume } = await cut(peer);
  assert.equal(again.token, "t2");
  assert.deepEqual(resume, [null, null]);
});

test("resume: false asks for the whole state each time", async () => {
  const { peer } = await connected({ resume: false });
  assert.deepEqual((await cut(peer)).resume, [null, null]);
});

test("requests that run once go on over a cut: numbers, order, answers", async () => {
  const { realtime, peer } = await connected({ welcome: { n: 7 } });
  const once = (action) => realtime.request(action, null, { once: true });
  const requests = [once("a"), once("b")];
  const first = [await peer.receive(), await peer.receive()];
  assert.deepEqual(first.map(({ action, n }) => [action, n]), [["a", 8], ["b", 9]]);

  const lost = next(realtime, "disconnected");
  peer.destroy();
  await lost;
  requests.push(once("c"));
  assert.equal(realtime.sendInput("jump"), false, "other inputs are now or never");
  await assert.rejects(realtime.request("jump"), { code: "disconnected", outcome: "none" });
  // What the game sends as soon as it hears of the connection comes behind what is sent again.
  realtime.on("connected", () => realtime.sendInput("jump"));
  const again = await server.nextPeer();
  again.welcome({ epoch: "1f", seq: 4, recovered: true, state: null, n: 8 });
  const second = [];
  for (let count = 0; count < 4; count += 1) second.push(await again.receive());
  assert.deepEqual(second.slice(0, 2), first, "the same messages");
  assert.deepEqual(second.slice(2).map(({ action, n }) => [action, n]), [["c", 10], ["jump", undefined]]);
  again.send({ type: "batch", events: [
    { type: "reply", id: second[0].id, result: { duplicate: true } },
    { type: "error", id: second[1].id, n: 9, payload: { code: "too_poor", message: "Too poor" } },
    { type: "reply", id: second[2].id, result: 3 },
  ] });
  assert.deepEqual(await requests[0], { duplicate: true });
  await assert.rejects(requests[1], { code: "too_poor", outcome: "ran" });
  assert.equal(await requests[2], 3);
});

test("a once request before the first welcome waits for it; without any connect() there is nothing to wait for", async () => {
  const client = new GodraClient(server.url, { WebSocket, heartbeatMs: 0, token: "a.b.c" });
  clients.push(client);
  await assert.rejects(client.realtime.request("a", 1, { once: true }), { code: "disconnected", outcome: "none" });
  const joined = client.realtime.connect(null, "abc");
  const request = client.realtime.request("a", 1, { once: true });
  const peer = await server.nextPeer();
  peer.welcome({ n: 2 });
  await joined;
  const { id, n } = await peer.receive();
  assert.equal(n, 3);
  peer.send({ type: "reply", id, result: "ran" });
  assert.equal(await request, "ran");
});

test("a connect() that fails fails what waited for it", async () => {
  const client = new GodraClient(server.url, { WebSocket, token: "a.b.c" });
  server.onUpgrade = () => 403;
  const joined = client.realtime.connect(null, "abc");
  const request = client.realtime.request("a", 1, { once: true });
  await assert.rejects(joined, { code: "forbidden" });
  await assert.rejects(request, { code: "disconnected", outcome: "none" });
});

test("an epoch that changed, a close for good and close() say what they know of once requests", async () => {
  const { realtime, peer } = await connected();
  const ask = () => realtime.request("a", 1, { once: true });
  const epochLost = ask();
  await peer.receive();
  const { again } = await cut(peer);
  again.welcome({ epoch: "20", seq: 0, n: 0 });
  await assert.rejects(epochLost, { code: "disconnected", outcome: "unknown", message: /lost the room's data/ });
  const kicked = ask();
  assert.equal((await again.receive()).n, 1);
  again.close(4500, "kicked");
  await assert.rejects(kicked, { code: "disconnected", outcome: "unknown", message: /4500: kicked/ });
  await assert.rejects(ask(), { code: "disconnected", outcome: "none" });

  const other = await connected();
  const closed = other.realtime.request("a", 1, { once: true });
  other.realtime.close();
  await assert.rejects(closed, { code: "disconnected", outcome: "unknown" });
});

test("65 once requests while away are one too many", async () => {
  const { realtime, peer } = await connected({ reconnect: { firstDelayMs: 60_000, maxDelayMs: 60_000 } });
  peer.destroy();
  await next(realtime, "disconnected");
  const requests = Array.from({ length: 65 }, (_, index) => realtime.request("a", index, { once: true }));
  await assert.rejects(requests.pop(), { code: "queue_full", outcome: "none" });
  realtime.close();
  for (const request of requests) await assert.rejects(request, { outcome: "none" });
});

test("a refused once request is no error event, and is asked again", async () => {
  const { realtime, peer } = await connected();
  const errors = [];
  realtime.on("error", (error) => errors.push(error.code));
  const request = realtime.request("a", 1, { once: true });
  const { id, n } = await peer.receive();
  peer.send({ type: "error", id, n, payload: { code: "busy", message: "Busy" } });
  assert.deepEqual(await peer.receive(), { action: "a", payload: 1, id, n });
  peer.send({ type: "reply", id, result: 1 });
  peer.send({ type: "error", id, n, payload: { code: "too_late", message: "A second answer" } });
  assert.equal(await request, 1);
  await send({ realtime }, peer);
  assert.deepEqual(errors, []);
});

test("errors say whether the input ran", async () => {
  const { realtime, peer } = await connected();
  const outcomes = { busy: "none", forbidden: "none", not_found: "none", unavailable: "unknown", script_error: "ran", too_fast: "ran" };
  for (const [code, outcome] of Object.entries(outcomes)) {
    const request = realtime.request("a");
    const { id } = await peer.receive();
    peer.send({ type: "error", id, payload: { code, message: code } });
    await assert.rejects(request, { code, outcome });
  }
  await assert.rejects(realtime.request("a", null, { timeoutMs: 5 }), { code: "timeout", outcome: "unknown" });
  const lost = realtime.request("a");
  peer.destroy();
  await assert.rejects(lost, { code: "disconnected", outcome: "unknown" });
});

// Stands for a browser's window and document.
const [scope, page] = [new EventTarget(), new EventTarget()];
Object.assign(globalThis, {
  addEventListener: scope.addEventListener.bind(scope),
  removeEventListener: scope.removeEventListener.bind(scope),
  document: page,
});
const online = () => scope.dispatchEvent(new Event("online"));
const pageshow = () => scope.dispatchEvent(new Event("pageshow"));
function become(visibilityState) {
  page.visibilityState = visibilityState;
  page.dispatchEvent(new Event("visibilitychange"));
}

const PATIENT = { reconnect: { firstDelayMs: 60_000, maxDelayMs: 60_000 } };

test("the network's return, and the page's, try at once", async () => {
  const { realtime, log, ...player } = await connected(PATIENT);
  let { peer } = player;
  for (const wake of [online, pageshow, () => become("visible")]) {
    const lost = next(realtime, "disconnected");
    peer.destroy();
    await lost;
    become("hidden");
    assert.equal(server.peers.length, 0, "hidden is no reason to hurry");
    wake();
    wake();
    peer = await server.nextPeer();
    peer.welcome({ epoch: "1f", seq: 4, recovered: true, state: null });
    await next(realtime, "connected");
  }
  assert.equal(log.filter((entry) => entry === "recovered").length, 3, "one connection each");
  realtime.close();
  online();
  assert.equal(realtime.connected, false);
});

test("a page that is shown again asks whether its connection lives", async () => {
  const { peer } = await connected();
  become("hidden");
  become("visible");
  assert.equal((await peer.receive()).action, "heartbeat");
});

test("a page that is shown again finds within 3 s that its connection is dead", async () => {
  const { realtime, peer } = await connected();
  const lost = next(realtime, "disconnected");
  const startedAt = performance.now();
  become("visible");
  assert.equal((await lost).reason, "no answer to a heartbeat");
  const tookMs = performance.now() - startedAt;
  assert.ok(tookMs > 2_900 && tookMs < 4_000, `${tookMs} ms`);
  await peer.closed;
});

test("after a wake-up the delays begin from the start", async () => {
  const { realtime, peer } = await connected({ reconnect: { firstDelayMs: 100, maxDelayMs: 60_000 } });
  server.onUpgrade = () => 503;
  peer.destroy();
  const attempts = [];
  realtime.on("reconnecting", ({ attempt }) => attempts.push(attempt));
  while (attempts.length < 3) await next(realtime, "reconnecting");
  online();
  await next(realtime, "reconnecting");
  assert.deepEqual(attempts, [1, 2, 3, 1]);
});

test("Retry-After of a refresh that came too often is waited for", async () => {
  let calls = 0;
  const token = async () => {
    calls += 1;
    if (calls === 2) throw Object.assign(new Error("too often"), { code: "rate_limited", status: 429, retryAfter: 30 });
    return "a.b.c";
  };
  const { realtime, peer } = await connected({ token });
  const delays = [];
  realtime.on("reconnecting", ({ delayMs }) => delays.push(delayMs));
  peer.destroy();
  while (delays.length < 2) await next(realtime, "reconnecting");
  assert.ok(delays[0] < 100 && delays[1] >= 30_000 && delays[1] < 31_000, String(delays));
});

test("Retry-After of a server that is not ready is waited for", async () => {
  class Silent extends WebSocket {
    set onerror(_callback) {
      super.onerror = () => {};
    }
  }
  server.routes["GET /ready"] = () => ({ status: 503, headers: { "Retry-After": "30" } });
  const { realtime, peer } = await connected({ WebSocket: Silent });
  server.onUpgrade = () => 503;
  const delays = [];
  realtime.on("reconnecting", ({ delayMs }) => delays.push(delayMs));
  peer.destroy();
  while (delays.length < 2) await next(realtime, "reconnecting");
  assert.ok(delays[1] >= 30_000, String(delays));
});
