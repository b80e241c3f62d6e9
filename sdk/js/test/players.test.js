// What players keep, against the real server and its stock scripts.

import assert from "node:assert/strict";
import { after, before, test as testWithoutLimit } from "node:test";
import WebSocket from "ws";

import { GodraClient, GodraError } from "../dist/godra.js";
import { Players } from "../dist/players.js";
import { GodraServer } from "./godra-server.js";

const test = (name, run) => testWithoutLimit(name, { timeout: 60_000 }, run);

let server;
const clients = [];
before(async () => {
  server = await GodraServer.start();
});
after(async () => {
  for (const client of clients) await client.close();
  await server?.stop();
});

async function player(username) {
  const client = new GodraClient(server.url, { WebSocket });
  clients.push(client);
  await client.auth.register(username, "long enough 8");
  const { user_id: id } = await client.auth.login(username, "long enough 8");
  return { client, id, players: new Players(client) };
}

test("profiles, friends and blocks", async () => {
  const [ann, ben] = [await player("ann"), await player("ben")];
  const own = await ann.players.profile();
  assert.deepEqual([own.name, own.settings, own.version], ["ann", {}, 1]);
  const changed = await ann.players.setProfile({ name: "Ann", settings: { volume: 0.5 }, version: own.version });
  assert.deepEqual([changed.name, changed.settings], ["Ann", { volume: 0.5 }]);
  await assert.rejects(ann.players.setProfile({ name: "A", version: own.version }), { code: "conflict" });
  assert.equal((await ben.players.viewProfile(ann.id)).name, "Ann");
  await assert.rejects(ann.players.askFriend(ben.id), { code: "not_found" });
  await ben.players.profile();

  const room = await ben.client.createRoom();
  const asked = room.next("friend_asked");
  assert.equal(await ann.players.askFriend(ben.id), "asked");
  assert.deepEqual((await asked).payload, { user_id: ann.id, name: "Ann" });
  assert.deepEqual((await ben.players.friends()).asks.map(({ user_id }) => user_id), [ann.id]);
  assert.equal(await ben.players.acceptFriend(ann.id), "friends");
  const [friend] = (await ann.players.friends()).friends;
  assert.deepEqual([friend.user_id, friend.online, friend.rooms], [ben.id, true, [`game:${room.id}`]]);
  assert.equal(await ben.players.block(ann.id), "blocked");
  await assert.rejects(ann.players.viewProfile(ben.id), { code: "not_found" });
  assert.equal(await ben.players.unblock(ann.id), "none");
  assert.equal(await ann.players.askFriend(ben.id), "asked");
  assert.equal(await ben.players.declineFriend(ann.id), "none");
  assert.equal(await ann.players.removeFriend(ben.id), "none");
});

test("a day's reward, a trade, and the player's own data", async () => {
  const [cat, dan] = [await player("cat"), await player("dan")];
  for (const { players } of [cat, dan]) await players.profile();
  await cat.players.askFriend(dan.id);
  await dan.players.acceptFriend(cat.id);
  assert.equal((await cat.players.daily()).is_open, true);
  const reward = await cat.players.claimDaily();
  assert.deepEqual([reward.claimed, reward.streak, reward.reward], [true, 1, { coin: 10 }]);
  assert.equal((await cat.players.claimDaily()).claimed, false);

  const offer = await cat.players.offerTrade(dan.id, { gives: { coin: 4 } });
  const [seen] = (await dan.players.inventory()).offers;
  assert.deepEqual([seen.user_id, seen.version, seen.takes], [cat.id, offer.version, { coin: 4 }]);
  await assert.rejects(dan.players.acceptTrade({ ...seen, version: seen.version + 1 }), { code: "conflict" });
  assert.deepEqual(await dan.players.acceptTrade(seen), { status: "traded", items: { coin: 4 } });
  assert.deepEqual((await cat.players.inventory()).items, { coin: 6 });
  await cat.players.offerTrade(dan.id, { gives: { coin: 1 } });
  assert.equal((await dan.players.cancelTrade(cat.id)).status, "none");
  await assert.rejects(cat.players.season("none"), { code: "not_found" });

  // What was just saved is in the database a moment later.
  let documents = [];
  for (let round = 0; documents.length < 4 && round < 200; round++) {
    documents = (await cat.client.auth.data()).documents;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  assert.deepEqual(documents.map(({ collection }) => collection), ["daily", "friends", "inventory", "profile"]);
  const page = await cat.client.auth.data({ limit: 1 });
  const next = await cat.client.auth.data({ limit: 1, cursor: page.cursor });
  assert.deepEqual([page, next].map(({ documents: [one] }) => one.collection), ["daily", "friends"]);
  const { value } = await cat.client.auth.document("profile", cat.id);
  assert.equal(value.username, "cat");
  await assert.rejects(cat.client.auth.document("profile", dan.id), GodraError);
});

test("an answer that is no JSON of an object is told", async () => {
  for (const result of ["OK", "5", "null", 7, null]) {
    const players = new Players({ rpc: async () => result });
    await assert.rejects(players.profile(), { code: "bad_response" });
  }
});
