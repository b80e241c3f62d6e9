// The reducers of the stock scripts, against the real server: whoever was there from the beginning knows what a newcomer is told.

import assert from "node:assert/strict";
import { after, before, test as testWithoutLimit } from "node:test";
import WebSocket from "ws";

import { GodraClient } from "../dist/godra.js";
import { lobbyReducers } from "../dist/lobby.js";
import { FakeRoom } from "../dist/testing.js";
import { FlakyNetwork } from "./flaky-network.js";
import { GodraServer } from "./godra-server.js";

const test = (name, run) => testWithoutLimit(name, { timeout: 60_000 }, run);

let server;
let network;
const clients = [];
before(async () => {
  server = await GodraServer.start({ args: ["--rejoin-grace", "30s"] });
  network = await FlakyNetwork.to(server.port);
});
after(async () => {
  for (const client of clients) await client.close();
  network?.stop();
  await server?.stop();
});

async function guest(url = server.url) {
  const client = new GodraClient(url, { WebSocket });
  clients.push(client);
  await client.auth.ensure();
  return client;
}

const prepare = (room) => room.reduce(lobbyReducers);

/** What a newcomer is told, once it has left again and the witness knows of that. */
async function truth(witness) {
  const client = await guest();
  const room = await client.join(witness.id);
  const { state } = room.welcome;
  delete state.players[room.me.userId];
  const left = witness.next("player_left", { where: ({ payload }) => payload.user_id === room.me.userId });
  await room.leave();
  await left;
  return state;
}

test("a lobby's whole life: players come, move, write, are away, come back, upgrade and leave", async () => {
  const witness = await (await guest()).createRoom({ capacity: 10, settings: { max_speed: 0 }, prepare });
  const check = async (what) => assert.deepEqual(witness.state, await truth(witness), what);
  const events = (type) => witness.next(type, { timeoutMs: 20_000 });
  await check("alone");

  const players = [await guest(network.url), await guest(), await guest()];
  const rooms = [];
  for (const player of players) rooms.push(await player.join(witness.id));
  await check("three came");
  for (const [index, room] of rooms.entries()) await room.request("move_player", { x: index * 10, y: 5.5 });
  await witness.request("set", { round: 3, list: [1, 2], gone: true, ["__proto__"]: { a: 1 }, deep: { a: null } });
  await witness.request("set", { gone: null });
  await assert.rejects(witness.request("wave", { at: "nobody" }), { code: "not_found" });
  await check("they moved and wrote");

  const away = events("player_away");
  network.cut();
  await away;
  await check("one is away");
  const back = events("player_back");
  network.mend();
  await back;
  await check("it came back");

  const upgraded = events("player_upgraded");
  const rejoined = rooms[1].next("connected", { timeoutMs: 10_000 });
  await players[1].auth.upgrade("ann", "long enough 8");
  await upgraded;
  await rejoined;
  await check("one has an account now");

  await rooms[2].leave();
  rooms[0].close();
  await check("two left");
});

test("over a network that breaks again and again the state stays true, and exactly-once requests run once", async () => {
  const writer = await (await guest()).createRoom({ capacity: 10, settings: { max_speed: 0 } });
  const reader = await (await guest(network.url)).join(writer.id, { prepare });
  let count = 0;
  let isDone = false;
  const writing = (async () => {
    for (; !isDone; count += 1) {
      await writer.request("set", { count, [`field${count % 5}`]: count % 3 === 0 ? null : count });
      await writer.request("move_player", { x: count % 1000, y: 1 });
    }
  })();
  const said = [];
  writer.on("chat", ({ message }) => said.push(message));
  const saying = [];
  for (let round = 0; round < 5; round += 1) {
    network.loseAnswers();
    for (const part of ["a", "b"]) saying.push(reader.request("send_chat", { message: `${round}${part}` }, { once: true }));
    const [lost, back] = [reader.next("disconnected"), reader.next("connected", { timeoutMs: 10_000 })];
    network.cut();
    await lost;
    saying.push(reader.request("send_chat", { message: `${round}c` }, { once: true }));
    network.mend();
    await back;
  }
  await Promise.all(saying);
  isDone = true;
  await writing;
  const end = reader.next("state", { where: ({ payload }) => payload.payload.end });
  await writer.request("set", { end: true });
  await end;
  assert.deepEqual(reader.state, await truth(writer));
  assert.deepEqual(said, [0, 1, 2, 3, 4].flatMap((round) => ["a", "b", "c"].map((part) => `${round}${part}`)));
  assert.ok(count > 5 && reader.stats().reconnects === 5, `${count} rounds`);
});

test("a seat that is kept: away, and back", async () => {
  const id = "guest:1";
  const { room, server: fake } = await FakeRoom.join({ prepare, welcome: { state: { players: { [id]: { user_id: id, username: "Ann", x: 1, y: 2 } }, state: {} } } });
  fake.event("player_away", { user_id: id, username: "Ann" });
  assert.equal(room.state.players[id].away, true);
  fake.event("player_back", { user_id: id, username: "Ann" });
  assert.deepEqual(room.state.players[id], { user_id: id, username: "Ann", x: 1, y: 2 });
  fake.event("player_away", { user_id: id, username: "Ann" });
  fake.event("player_joined", { user_id: id, username: "Anna" });
  assert.deepEqual(room.state.players[id], { user_id: id, username: "Anna", x: 1, y: 2 });
});
