// The SDK against the real server and its stock scripts.

import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { after, afterEach, before, test as testWithoutLimit } from "node:test";
import WebSocket from "ws";

import { GodraClient, GodraError, newDevice } from "../godra.js";
import { GodraServer } from "./godra-server.js";

const test = (name, run) => testWithoutLimit(name, { timeout: 60_000 }, run);

let server;
const clients = [];
before(async () => {
  server = await GodraServer.start();
});
after(() => server?.stop());
afterEach(() => {
  for (const client of clients.splice(0)) client.realtime.close();
});

async function newGuest(options = {}) {
  const client = new GodraClient(server.url, { WebSocket, ...options });
  clients.push(client);
  const login = await client.auth.guestLogin();
  return Object.assign(client, { login });
}

/** A guest in a lobby, with a log of all its events. */
async function member(lobbyId, options) {
  const client = await newGuest(options);
  const events = [];
  client.realtime.on("state_update", (event) => events.push(event));
  const welcome = await client.realtime.connect(client.token, lobbyId);
  return Object.assign(client, { events, welcome });
}

/** Resolves with the first event of that type that `matches`, past or to come. */
function eventOf({ events, realtime }, type, matches = () => true) {
  const isIt = (event) => event.type === type && matches(event.payload);
  const past = events.find(isIt);
  if (past) return Promise.resolve(past);
  return new Promise((resolve) => {
    const stop = realtime.on("state_update", (event) => {
      if (!isIt(event)) return;
      stop();
      resolve(event);
    });
  });
}

function next(realtime, name) {
  return new Promise((resolve) => {
    const stop = realtime.on(name, (payload) => {
      stop();
      resolve(payload);
    });
  });
}

test("a guest login gives a guest", async () => {
  const { login } = await newGuest();
  assert.match(login.user_id, /^guest:[A-Za-z0-9_-]+$/);
  assert.equal(login.role, "guest");
  assert.ok(login.expires_in > 0);
  assert.equal(login.token.split(".").length, 3);
  assert.notEqual((await newGuest()).login.user_id, login.user_id);
});

test("a device logs in, is linked to an account, and taken from it", async () => {
  const phone = newDevice();
  const first = new GodraClient(server.url, { WebSocket });
  const { created, role, user_id } = await first.auth.loginWithDevice(phone);
  assert.deepEqual([created, role], [true, "player"]);
  assert.equal((await first.auth.loginWithDevice(phone)).user_id, user_id);
  const wrong = first.auth.loginWithDevice({ ...phone, secret: newDevice().secret });
  await assert.rejects(wrong, { code: "unauthorized", status: 401 });

  const tablet = newDevice();
  await assert.rejects(first.auth.linkIdentity(tablet), { code: "forbidden" });
  const { identities, has_password } = await first.auth.linkIdentity(tablet, { proof: phone });
  assert.deepEqual([identities.length, has_password], [2, false]);
  await first.auth.unlinkIdentity({ issuer: "device", subject: phone.device_id }, { proof: tablet });
  const last = first.auth.unlinkIdentity({ issuer: "device", subject: tablet.device_id }, { proof: tablet });
  await assert.rejects(last, { code: "conflict", status: 409 });

  const guest = new GodraClient(server.url, { WebSocket });
  await guest.auth.guestLogin();
  await assert.rejects(guest.auth.linkIdentity(tablet), { code: "conflict" });
  assert.equal((await guest.auth.linkIdentity(newDevice())).role, "player");
  assert.equal((await guest.auth.account()).role, "player");
  await assert.rejects(guest.auth.loginWithToken("a.b.c"), { code: "not_found" });
});

test("a player without a password renames and deletes the account by its device", async () => {
  const phone = newDevice();
  const client = new GodraClient(server.url, { WebSocket });
  const { user_id } = await client.auth.loginWithDevice(phone);
  const another = newDevice();
  await new GodraClient(server.url, { WebSocket }).auth.loginWithDevice(another);
  for (const proof of [another, { ...phone, secret: another.secret }]) {
    await assert.rejects(client.auth.rename("Phoebe", { proof }), { code: "forbidden", status: 403 });
  }
  assert.equal((await client.auth.rename("Phoebe", { proof: phone })).username, "Phoebe");
  assert.equal((await client.auth.account()).username, "Phoebe");
  await assert.rejects(client.auth.deleteAccount(), { code: "bad_request" });
  await assert.rejects(client.auth.deleteAccount({ proof: another }), { code: "forbidden", status: 403 });
  assert.equal((await client.auth.account()).user_id, user_id, "nothing has happened yet");
  await client.auth.deleteAccount({ proof: phone });
  assert.equal(client.auth.session, null);
  const { created, ...next } = await client.auth.loginWithDevice(phone);
  assert.ok(created && next.user_id !== user_id, "the device is nobody's before that");
});

test("a lobby is made, listed, joined and left", async () => {
  const [owner, friend] = [await newGuest(), await newGuest()];
  const lobbyId = await owner.lobby.createLobby(owner.token, 2);
  assert.match(lobbyId, /^game:[A-Za-z0-9_-]{1,64}$/);
  assert.equal(await friend.lobby.joinLobby(friend.token, lobbyId), "OK");
  assert.equal(await friend.lobby.joinLobby(friend.token, lobbyId.slice(5)), "OK", "again, without the prefix");
  const third = await newGuest();
  await assert.rejects(third.lobby.joinLobby(third.token, lobbyId), { status: 409, code: "conflict", message: /Lobby is full/ });
  const { lobbies } = await third.lobby.listLobbies(third.token);
  const { members, capacity } = lobbies.find(({ id }) => id === lobbyId);
  assert.deepEqual([members, capacity], [2, 2]);
  assert.equal(await friend.lobby.leaveLobby(friend.token, lobbyId), "OK");
  assert.equal(await third.lobby.joinLobby(third.token, lobbyId), "OK");
});

test("refused calls say why", async () => {
  const client = await newGuest();
  await assert.rejects(client.lobby.joinLobby(null, "nobody-made-this"), (error) => {
    assert.ok(error instanceof GodraError);
    assert.match(error.message, /Lobby does not exist/);
    assert.deepEqual([error.status, error.code], [404, "not_found"]);
    return true;
  });
  await assert.rejects(client.rpc("no_such_script"), { status: 404, code: "not_found" });
  await assert.rejects(client.rpc("on_connect"), { code: /not_found|forbidden/ });
  await assert.rejects(client.rpc("join_lobby", [], ["session:abc"]), { status: 403, code: "forbidden" });
  await assert.rejects(client.lobby.createLobby("not.a.token"), { status: 401, code: "unauthorized" });
});

test("refused connections say why, as far as the WebSocket class tells", async () => {
  const client = await newGuest();
  await assert.rejects(client.realtime.connect(client.token, "nobody-made-this"), { status: 403, code: "forbidden" });
  await assert.rejects(client.realtime.connect("not.a.token", "abc"), { status: 401, code: "unauthorized" });
});

test("two players see each other come, move, talk and go, with no gap between events", async () => {
  const owner = await newGuest();
  const lobbyId = await owner.lobby.createLobby(owner.token, 4);
  const a = await member(lobbyId);
  assert.equal(`game:${a.welcome.game_id}`, lobbyId);
  assert.equal(a.welcome.user_id, a.login.user_id);
  assert.equal(a.welcome.recovered, false);
  const b = await member(lobbyId);
  const isB = ({ user_id: id }) => id === b.login.user_id;
  await eventOf(a, "player_joined", isB);

  const { bounds, players } = b.welcome.state;
  assert.deepEqual(Object.keys(players).sort(), [a.login.user_id, b.login.user_id, owner.login.user_id].sort());
  const target = { x: bounds.max_x / 4, y: bounds.max_y / 2 };
  b.realtime.sendInput("move_player", target);
  for (const client of [a, b]) {
    const { payload } = await eventOf(client, "player_moved", isB);
    assert.deepEqual({ x: payload.x, y: payload.y }, target);
  }
  await a.realtime.request("send_chat", { message: "päivää 🎲" });
  const { payload: chat } = await eventOf(b, "chat");
  assert.equal(chat.message, "päivää 🎲");
  assert.equal(chat.user_id, a.login.user_id);
  assert.equal(chat.username, a.welcome.username);

  b.realtime.close();
  await eventOf(a, "player_left", isB);
  const seqs = a.events.filter(({ seq }) => seq !== undefined).map(({ seq }) => seq);
  assert.deepEqual(seqs, seqs.map((_, index) => a.welcome.seq + 1 + index));
});

test("replies and errors come back to their request, with code and details", async () => {
  const owner = await newGuest();
  const a = await member(await owner.lobby.createLobby(owner.token));
  assert.equal(await a.realtime.request("move_player", { x: 10, y: 20 }), "OK");
  await assert.rejects(a.realtime.request("move_player", { x: 1e9, y: 0 }), { code: "out_of_bounds", details: { x: 10, y: 20 } });
  await assert.rejects(a.realtime.request("move_player", { x: 900, y: 900 }), { code: "too_fast", details: { x: 10, y: 20 } });
  await assert.rejects(a.realtime.request("send_chat", { message: "" }), GodraError);
  await assert.rejects(a.realtime.request("not an action!"), { code: "bad_request" });
  await a.realtime.request("set", { round: 3 });
  const { payload } = await eventOf(a, "state");
  assert.deepEqual([payload.user_id, payload.action, payload.payload], [a.login.user_id, "set", { round: 3 }]);
});

test("an error that nobody waits for is an event", async () => {
  const owner = await newGuest();
  const a = await member(await owner.lobby.createLobby(owner.token));
  const error = next(a.realtime, "error");
  a.realtime.sendInput("move_player", { x: "here" });
  assert.ok((await error) instanceof GodraError);
  assert.equal(a.realtime.connected, true);
});

test("a burst of inputs is all answered, and its events come in order without gaps", async () => {
  const owner = await newGuest();
  const lobbyId = await owner.lobby.createLobby(owner.token);
  const [a, b] = [await member(lobbyId), await member(lobbyId)];
  const count = 200;
  const replies = Array.from({ length: count }, (_, index) => a.realtime.request("set", { index }));
  await Promise.all(replies);
  await eventOf(b, "state", ({ payload }) => payload.index === count - 1);
  const seen = b.events.filter(({ type }) => type === "state").map(({ payload }) => payload.payload.index);
  assert.deepEqual(seen, Array.from({ length: count }, (_, index) => index));
  const seqs = b.events.filter(({ seq }) => seq !== undefined).map(({ seq }) => seq);
  assert.deepEqual(seqs, seqs.map((_, index) => b.welcome.seq + 1 + index));
});

test("a ping measures the round trip", async () => {
  const owner = await newGuest();
  const a = await member(await owner.lobby.createLobby(owner.token));
  const latencyMs = await a.realtime.ping();
  assert.ok(latencyMs > 0 && latencyMs < 2_000, `${latencyMs} ms`);
});

test("the same user in the same lobby again ends the first connection for good", async () => {
  const owner = await newGuest();
  const lobbyId = await owner.lobby.createLobby(owner.token);
  const a = await member(lobbyId);
  const lost = next(a.realtime, "disconnected");
  const again = new GodraClient(server.url, { WebSocket });
  clients.push(again);
  await again.realtime.connect(a.token, lobbyId);
  const { code, willReconnect } = await lost;
  assert.deepEqual([code, willReconnect], [4502, false]);
});

test("a message that is too large ends the connection for good", async () => {
  const owner = await newGuest();
  const a = await member(await owner.lobby.createLobby(owner.token));
  const lost = next(a.realtime, "disconnected");
  a.realtime.sendInput("set", { text: "x".repeat(100_000) });
  const { code, willReconnect } = await lost;
  assert.deepEqual([code, willReconnect], [1009, false]);
});

test("a server that stops and starts again gets its players back", async () => {
  const first = server;
  const owner = await newGuest();
  const lobbyId = await owner.lobby.createLobby(owner.token);
  const a = await member(lobbyId, { reconnect: { firstDelayMs: 50, maxDelayMs: 200, maxRefusals: 100 } });
  const lost = next(a.realtime, "disconnected");
  first.terminate();
  const { code, willReconnect } = await lost;
  assert.deepEqual([code, willReconnect], [1001, true]);
  assert.deepEqual(await first.exited, { code: 0, signal: null });
  const back = next(a.realtime, "connected");
  server = await GodraServer.start({ port: first.port });
  await first.stop();
  // Nothing was kept over the restart, so the lobby is made anew under its old id.
  const again = await newGuest();
  await again.rpc("create_lobby", [4], [lobbyId]);
  const welcome = await back;
  assert.equal(welcome.user_id, a.login.user_id);
  assert.notEqual(welcome.epoch, a.welcome.epoch);
});

test("the demo page and the SDK are served as they are in the repository", async () => {
  const modules = (await readdir(new URL("../demo/", import.meta.url))).filter((name) => /\.(js|css)$/.test(name));
  assert.ok(modules.includes("main.js"));
  const files = { "/": "../demo/index.html", "/godra.js": "../godra.js" };
  for (const name of modules) files[`/demo/${name}`] = `../demo/${name}`;
  const types = { html: "text/html", js: "text/javascript", css: "text/css" };
  for (const [path, file] of Object.entries(files)) {
    const response = await fetch(server.url + path);
    assert.equal(response.status, 200, path);
    assert.equal(await response.text(), await readFile(new URL(file, import.meta.url), "utf8"), path);
    assert.ok(response.headers.get("Content-Type").startsWith(types[file.split(".").at(-1)]), path);
  }
});
