// Coming back to the real server: over a network that breaks, and after the server was away.

import assert from "node:assert/strict";
import { after, afterEach, before, test as testWithoutLimit } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import WebSocket from "ws";

import { GodraClient } from "../godra.js";
import { FlakyNetwork } from "./flaky-network.js";
import { GodraServer } from "./godra-server.js";
import { until } from "./login-server.js";

const test = (name, run) => testWithoutLimit(name, { timeout: 60_000 }, run);

let server;
let network;
const clients = [];
before(async () => {
  server = await GodraServer.start();
  network = await FlakyNetwork.to(server.port);
});
after(async () => {
  network?.stop();
  await server?.stop();
});
afterEach(() => {
  network.mend();
  for (const client of clients.splice(0)) client.realtime.close();
});

/** A guest in a lobby (a new one without an id), who keeps the room's state as the README says, and what was seen. */
async function player(url, lobbyId, options = {}) {
  const client = new GodraClient(url, { WebSocket, ...options });
  clients.push(client);
  const { token } = await client.auth.guestLogin();
  const id = lobbyId ?? (await client.lobby.createLobby(token, 8));
  const { realtime } = client;
  const me = { client, realtime, id, state: null, events: [], returns: [] };
  realtime.on("connected", ({ recovered, state }) => {
    me.returns.push(recovered);
    if (!recovered) me.state = state.state;
  });
  realtime.on("snapshot", (state) => (me.state = state.state));
  realtime.on("state", ({ payload }) => Object.assign(me.state, payload));
  realtime.on("state_update", (event) => event.seq === undefined || me.events.push(event));
  me.welcome = await realtime.connect(null, id);
  return me;
}

function next(realtime, name, matches = () => true) {
  return new Promise((resolve) => {
    const stop = realtime.on(name, (payload) => {
      if (!matches(payload)) return;
      stop();
      resolve(payload);
    });
  });
}

/** Seqs rise within each epoch, and no event came twice. */
function assertNothingTwice({ events }) {
  const seqs = events.map(({ seq }) => seq);
  assert.deepEqual(seqs, [...new Set(seqs)].sort((a, b) => a - b));
}

const countsOf = ({ events }) => events.filter(({ type }) => type === "state").map(({ payload }) => payload.payload.count);

/**
 * Somebody writes all the time, and a reader loses the connection five times. In the end the reader knows what is true. Gives
 * both, and of each return whether it was recovered.
 */
async function readOverCuts(directUrl, line) {
  const writer = await player(directUrl);
  const reader = await player(line.url, writer.id);
  const set = (fields) => writer.realtime.request("set", fields);
  let isDone = false;
  const writing = (async () => {
    for (let count = 0; !isDone; count += 1) {
      await set({ count, [`field${count % 7}`]: count });
      await sleep(2);
    }
  })();
  for (let round = 0; round < 5; round += 1) {
    await sleep(40);
    const [lost, back] = [next(reader.realtime, "disconnected"), next(reader.realtime, "connected")];
    // What the server says just before a cut is lost on its way.
    line.loseAnswers();
    await sleep(20);
    line.cut();
    await lost;
    await sleep(30);
    line.mend();
    await back;
  }
  isDone = true;
  await writing;
  const ends = [reader, writer].map(({ realtime }) => next(realtime, "state", ({ payload }) => payload.end));
  await set({ end: true });
  await Promise.all(ends);
  const witness = await player(directUrl, writer.id);
  assert.deepEqual(reader.state, witness.welcome.state.state);
  assertNothingTwice(reader);
  const [, ...recovered] = reader.returns;
  return { writer, reader, recovered };
}

test("resume: what happens while a player is away reaches them, nothing is missed and nothing comes twice", async () => {
  const { writer, reader, recovered } = await readOverCuts(server.url, network);
  assert.deepEqual(recovered, [true, true, true, true, true]);
  const [seen, all] = [countsOf(reader), countsOf(writer)];
  assert.deepEqual(seen, all.slice(all.indexOf(seen[0])), "each event, once, in order");
});

test("resume: after too long a time the state takes the place of what was missed", async () => {
  const forgetful = await GodraServer.start({ args: ["--history-events", "1"] });
  const line = await FlakyNetwork.to(forgetful.port);
  try {
    const { recovered } = await readOverCuts(forgetful.url, line);
    assert.deepEqual(recovered, [false, false, false, false, false]);
  } finally {
    line.stop();
    await forgetful.stop();
  }
});

test("exactly once: requests that are cut off run once, in order, and are answered", async () => {
  const witness = await player(server.url);
  const talker = await player(network.url, witness.id);
  const said = [];
  witness.realtime.on("chat", ({ message }) => said.push(message));
  const say = (message) => talker.realtime.request("send_chat", { message }, { once: true });
  const requests = [];
  for (let round = 0; round < 6; round += 1) {
    const back = next(talker.realtime, "connected");
    // Before the cut: some that run and whose answers are lost, some that may not have got through.
    network.loseAnswers();
    for (let count = 0; count < 4; count += 1) requests.push(say(`${round}: before ${count}`));
    await sleep(round * 5);
    const lost = next(talker.realtime, "disconnected");
    network.cut();
    await lost;
    for (let count = 0; count < 4; count += 1) requests.push(say(`${round}: away ${count}`));
    network.mend();
    await back;
  }
  const answers = await Promise.all(requests);
  assert.deepEqual(answers, answers.map(() => answers[0]), "the first answers, as no more were under way than the server keeps");
  assert.equal(answers[0].duplicate, undefined);
  const end = next(witness.realtime, "chat", ({ message }) => message === "end");
  await witness.realtime.request("send_chat", { message: "end" });
  await end;
  const wanted = Array.from({ length: 6 }, (_, round) =>
    ["before", "away"].flatMap((when) => [0, 1, 2, 3].map((count) => `${round}: ${when} ${count}`)));
  assert.deepEqual(said, [...wanted.flat(), "end"]);
});

test("exactly once: an error is the answer that it was, and its number is spent", async () => {
  const talker = await player(network.url);
  const once = (x) => talker.realtime.request("move_player", { x, y: 0 }, { once: true });
  network.loseAnswers();
  const [refused, good] = [once(1e9), once(5)];
  await sleep(50);
  const back = next(talker.realtime, "connected");
  network.cut();
  network.mend();
  const { n } = await back;
  assert.equal(n, 2, "both have run");
  const error = await refused.catch((caught) => caught);
  assert.deepEqual([error.code, error.outcome], ["out_of_bounds", "ran"]);
  await assert.rejects(once(1e9), { code: "out_of_bounds" });
  await good;
});

test("exactly once: a burst larger than what the server lets wait is answered, all of it", async () => {
  const talker = await player(network.url);
  const requests = Array.from({ length: 64 }, (_, count) => talker.realtime.request("set", { count }, { once: true }));
  await assert.rejects(talker.realtime.request("set", {}, { once: true }), { code: "queue_full" });
  assert.deepEqual(new Set(await Promise.all(requests)), new Set(["OK"]));
  // The last events come behind the last answers.
  await until(() => countsOf(talker).length === 64);
  assert.deepEqual(countsOf(talker), Array.from({ length: 64 }, (_, count) => count));
});

/** How long after the server's return the player was in the lobby again. */
async function returnMs({ realtime }, awayMs) {
  let backAt = 0;
  const back = next(realtime, "connected").then(() => (backAt = performance.now()));
  await sleep(awayMs);
  await server.restart();
  const upAt = performance.now();
  await back;
  return backAt - upAt;
}

test("a server that was killed has its players back within a second of its return", async () => {
  for (const awayMs of [0, 2_500]) {
    const me = await player(server.url);
    await me.realtime.request("set", { round: awayMs });
    // So long the store's file may lag behind.
    await sleep(1_500);
    const lost = next(me.realtime, "disconnected");
    await server.kill();
    assert.equal((await lost).willReconnect, true);
    const tookMs = await returnMs(me, awayMs);
    assert.ok(tookMs < 1_000, `${tookMs} ms after ${awayMs} ms away`);
    assert.deepEqual(me.state, { round: awayMs });
    me.realtime.close();
  }
});

test("a server that was stopped has its players back within a second of its return, and requests that waited run", async () => {
  const me = await player(server.url);
  const lost = next(me.realtime, "disconnected");
  server.terminate();
  assert.equal((await lost).code, 1001);
  await server.exited;
  const [request, ran] = [me.realtime.request("set", { late: true }, { once: true }), next(me.realtime, "state")];
  const tookMs = await returnMs(me, 300);
  assert.ok(tookMs < 1_000, `${tookMs} ms`);
  assert.equal(await request, "OK");
  await ran;
  assert.equal(me.state.late, true);
  assert.deepEqual(me.returns, [false, true], "a stop in good order loses nothing");
});
