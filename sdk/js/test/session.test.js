// Sessions: where they are kept, who refreshes them, and how they end. Against a server that does what each test says.

import assert from "node:assert/strict";
import { afterEach, beforeEach, test as testWithoutLimit } from "node:test";

import { localStorageStore, memoryStore } from "../godra.js";
import { LoginServer, loginOf, refusal, until } from "./login-server.js";

const test = (name, run) => testWithoutLimit(name, { timeout: 30_000 }, run);

let server;
beforeEach(async () => {
  server = await LoginServer.start();
});
afterEach(() => server.stop());

/** A session as a store would give it. */
const kept = (more = {}) => ({ ...loginOf(0), expires_at: Date.now() + 3_600_000, ...more });

/** A held answer: `release(answer)` gives it. */
function hold(route) {
  let release;
  const answer = new Promise((resolve) => (release = resolve));
  server.routes[route] = () => answer;
  return release;
}

/** What is told of the session's and the room's end, in order. */
function watchEnds(client, room) {
  const ends = [];
  client.onSession((session, cause) => ends.push(session ? session.token : `over: ${cause?.code ?? "by the game"}`));
  room.on("disconnected", ({ code, willReconnect, cause }) => ends.push([code, willReconnect, cause?.code]));
  room.on("reconnecting", () => ends.push("reconnecting"));
  return ends;
}

test("logout ends the rooms at once, whatever the server says, and all is quiet", async () => {
  for (const answer of [{ status: 204, body: "" }, refusal(503, "unavailable")]) {
    server.routes["POST /logout"] = () => answer;
    const { client, room, peer } = await server.join();
    const ends = watchEnds(client, room);
    await client.auth.logout().catch(({ code }) => ends.push(code));
    assert.deepEqual(ends.slice(0, 2), ["over: by the game", [1000, false, "session_ended"]]);
    assert.equal((await peer.closed).code, 1000);
    assert.equal(client.session, null);
  }
});

test("logout with a token that has had its time ends the session all the same", async () => {
  const client = server.client();
  await client.auth.guestLogin();
  const tokens = [];
  server.routes["POST /logout"] = ({ headers }) => (tokens.push(headers.authorization) === 1 ? refusal(401, "token_expired") : { status: 204, body: "" });
  await client.auth.logout();
  assert.deepEqual(tokens, ["Bearer t1", "Bearer t2"]);
});

test("a session that was ended elsewhere ends its rooms without another attempt; the first cause is told", async () => {
  const { client, room, peer } = await server.join();
  const ends = watchEnds(client, room);
  peer.close(4001, "session_ended: logged out");
  await until(() => room.connection === "left");
  assert.deepEqual(ends, ["over: session_ended", [4001, false, "session_ended"]]);
  assert.equal(server.calls("POST /refresh"), 0);
});

test("4001 and a refused refresh: the end, of all rooms", async () => {
  for (const status of [400, 401, 403]) {
    server.routes["POST /refresh"] = () => refusal(status, "forbidden");
    const { client, room, peer } = await server.join();
    const other = await server.join({ client, room: "other" });
    const ends = watchEnds(client, room);
    peer.close(4001, "token_expired: it is over");
    await until(() => room.connection === "left" && other.room.connection === "left");
    assert.deepEqual(ends, [[4001, true, "disconnected"], "reconnecting", "over: session_ended", [4001, false, "session_ended"]]);
    assert.deepEqual(other.log.at(-1), ["disconnected", 1000, false, "session_ended"]);
  }
});

test("a refresh that cannot be made now is made again, not before the server wants it", async () => {
  const { client, room, peer, log } = await server.join();
  const answers = [refusal(503, "unavailable"), { ...refusal(429, "rate_limited"), headers: { "Retry-After": "1" } }];
  const refresh = server.routes["POST /refresh"];
  server.routes["POST /refresh"] = (request) => answers.shift() ?? refresh(request);
  peer.close(4001, "token_expired");
  const again = await server.fake.nextPeer();
  again.welcome();
  await until(() => room.connection === "joined");
  assert.equal(again.token, client.token);
  const delays = log.filter(([name]) => name === "reconnecting").map(([, , delayMs]) => delayMs);
  assert.ok(delays.some((delayMs) => delayMs >= 1_000), String(delays));
});

test("an upgrade whose answer is slower than the close: the same room goes on, as the new player", async () => {
  const { client, room, peer, log } = await server.join();
  const release = hold("POST /account/upgrade");
  const ends = watchEnds(client, room);
  const upgrade = client.auth.upgrade("ann", "12345678");
  await until(() => server.calls("POST /account/upgrade") === 1);
  peer.close(4001, "session_ended: upgraded");
  await until(() => ends.includes("reconnecting"));
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.equal(server.calls("POST /refresh"), 0, "the guest's session is not refreshed meanwhile");
  release({ body: loginOf(9, { user_id: "42", role: "player" }) });
  await upgrade;
  const again = await server.fake.nextPeer();
  assert.deepEqual([again.token, again.query.has("since")], ["t9", false]);
  again.welcome({ user_id: "42" });
  await until(() => room.connection === "joined");
  assert.equal(room.me.userId, "42");
  assert.deepEqual(ends.filter((entry) => typeof entry === "string" && entry.startsWith("over")), []);
  assert.deepEqual(log.at(-1), ["connected", false]);
  assert.deepEqual(server.fake.requests.find(({ path }) => path === "/account/upgrade").body.rooms, ["abc"]);
});

test("another player's login ends the rooms of the one before, the same player's does not", async () => {
  const { client, room } = await server.join();
  server.routes["POST /login"] = () => ({ body: loginOf(7) });
  await client.auth.login("ann", "12345678");
  assert.equal(room.connection, "joined");
  server.routes["POST /login"] = () => ({ body: loginOf(8, { user_id: "43" }) });
  const ends = watchEnds(client, room);
  await client.auth.login("ben", "12345678");
  assert.deepEqual(ends, ["over: by the game", [1000, false, "session_ended"], "t8"]);
});

test("a join whose token is refused is tried with another one, once", async () => {
  const client = server.client();
  await client.auth.guestLogin();
  const refuse = async () => {
    const peer = await server.fake.nextPeer();
    peer.send({ type: "error", payload: { code: "token_expired", message: "over", status: 401 } });
    peer.close(4005, "token_expired");
    return peer.token;
  };
  const joined = client.join("abc");
  assert.equal(await refuse(), "t1");
  const peer = await server.fake.nextPeer();
  assert.equal(peer.token, "t2");
  peer.welcome();
  const room = await joined;
  peer.destroy();
  assert.deepEqual([await refuse(), await refuse()], ["t2", "t3"]);
  await until(() => room.connection === "left");
  assert.equal(client.session, null);
});

test("a call is made again after token_expired alone, and session_ended ends the session", async () => {
  const client = server.client();
  await client.auth.guestLogin();
  const answers = [refusal(401, "token_expired")];
  server.routes["POST /api/rpc"] = ({ headers }) => answers.shift() ?? { body: { result: headers.authorization } };
  assert.equal(await client.rpc("a"), "Bearer t2");
  answers.push(refusal(400, "unauthorized"));
  await assert.rejects(client.rpc("a"), { code: "unauthorized", status: 400 });
  assert.equal(await client.rpc("a"), "Bearer t2", "a script's own code says nothing of the token");
  answers.push(refusal(401, "session_ended"));
  await assert.rejects(client.rpc("a"), { code: "session_ended" });
  assert.equal(client.session, null);
  assert.equal(server.calls("POST /refresh"), 1);
});

test("ensure: a guest, once, and kept in the store; a later client goes on with it", async () => {
  const store = memoryStore();
  const [first, second] = [server.client({ store }), server.client({ store })];
  const release = hold("POST /guest-login");
  const both = [first.auth.ensure(), first.auth.ensure()];
  release({ body: loginOf(1) });
  assert.deepEqual((await Promise.all(both)).map(({ token }) => token), ["t1", "t1"]);
  assert.equal((await second.auth.ensure()).token, "t1");
  assert.deepEqual([server.calls("POST /guest-login"), server.calls("GET /account")], [1, 1]);
  await second.auth.ensure();
  assert.equal(server.calls("GET /account"), 1, "looked at once");
});

test("ensure: a kept session that is over makes a new guest; one that cannot be looked at now is kept", async () => {
  for (const code of ["session_ended", "unauthorized"]) {
    const store = memoryStore();
    store.save(kept());
    server.routes["GET /account"] = () => refusal(401, code);
    server.routes["POST /refresh"] = () => refusal(401, "session_ended");
    assert.notEqual((await server.client({ store }).auth.ensure()).token, "t0");
    assert.notEqual(store.load().token, "t0");
  }
  server.routes["GET /account"] = () => refusal(503, "busy");
  assert.equal((await server.client({ session: kept() }).auth.ensure()).token, "t0");
  const away = server.client({ session: kept(), fetch: () => Promise.reject(new TypeError("no network")) });
  await assert.rejects(away.auth.ensure(), { code: "unavailable" });
  assert.equal(away.session.token, "t0");
});

test("restore gives the kept session, or null, and logs nobody in; nonsense in the store is none", async () => {
  for (const wrong of [null, 5, "text", {}, { token: 5 }, { ...kept(), expires_at: "soon" }]) {
    const store = { load: async () => wrong, save() {}, clear() {} };
    assert.equal(await server.client({ store }).auth.restore(), null);
  }
  const store = memoryStore();
  store.save(kept());
  assert.equal((await server.client({ store }).auth.restore()).token, "t0");
  assert.equal(server.fake.requests.length, 0);
});

test("a store that fails costs nothing but what it would have kept", async () => {
  const logged = [];
  const fail = () => {
    throw new Error("quota");
  };
  const store = { load: fail, save: async () => fail(), clear: fail };
  const client = server.client({ store, logger: (level, message) => logged.push(`${level} ${message}`) });
  await client.auth.ensure();
  await client.auth.logout();
  assert.deepEqual(new Set(logged), new Set(["warn The session's store failed: quota"]));
});

test("the new pair is stored before it is used", async () => {
  const order = [];
  const save = ({ token }) => new Promise((resolve) => setTimeout(() => resolve(order.push(`saved ${token}`)), 20));
  server.routes["POST /api/rpc"] = ({ headers }) => ({ body: { result: order.push(`used ${headers.authorization}`) } });
  const client = server.client({ store: { ...memoryStore(), save }, session: kept({ expires_at: Date.now() }) });
  await client.rpc("a");
  assert.deepEqual(order, ["saved t1", "used Bearer t1"]);
});

test("two clients on one store refresh once, and both go on", async () => {
  const store = memoryStore();
  store.save(kept({ expires_at: Date.now() + 1 }));
  const clients = [server.client({ store }), server.client({ store })];
  for (const client of clients) await client.auth.restore();
  await until(() => Date.now() > clients[0].session.expires_at);
  await Promise.all(clients.map((client) => client.rpc("a")));
  assert.equal(server.calls("POST /refresh"), 1);
  assert.deepEqual(clients.map(({ token }) => token), ["t1", "t1"]);
});

test("tabs: localStorage, and one refresh at a time under the browser's locks", async () => {
  const items = new Map();
  let last = Promise.resolve();
  const asked = [];
  globalThis.localStorage = { getItem: (key) => items.get(key) ?? null, setItem: (key, text) => items.set(key, text), removeItem: (key) => items.delete(key) };
  const locks = {
    request(name, run) {
      asked.push(name);
      return (last = last.then(run, run));
    },
  };
  const before = Object.getOwnPropertyDescriptor(globalThis, "navigator");
  Object.defineProperty(globalThis, "navigator", { value: { locks }, configurable: true });
  try {
    const tabs = [1, 2].map(() => server.client({ store: localStorageStore() }));
    items.set("godra.session", "{");
    assert.equal((await tabs[0].auth.ensure()).token, "t1");
    assert.equal(JSON.parse(items.get("godra.session")).token, "t1");
    assert.equal((await tabs[1].auth.restore()).token, "t1");
    for (const tab of tabs) tab.auth.distrust("t1");
    await Promise.all(tabs.map((tab) => tab.rpc("a")));
    assert.deepEqual([server.calls("POST /refresh"), asked.length], [1, 2]);
    assert.equal(tabs[0].token, tabs[1].token);
    await tabs[0].auth.logout();
    assert.equal(items.size, 0);
  } finally {
    delete globalThis.localStorage;
    if (before) Object.defineProperty(globalThis, "navigator", before);
    else delete globalThis.navigator;
  }
});

test("a device whose date is wrong works as well", async () => {
  const { now } = Date;
  try {
    const client = server.client();
    await client.auth.guestLogin();
    for (const hours of [-1, 1]) {
      Date.now = () => now() + hours * 3_600_000;
      await client.rpc("a");
      await client.rpc("b");
    }
    assert.ok(server.calls("POST /refresh") <= 1);
  } finally {
    Date.now = now;
  }
});

test("no token is in an address, an error or the log", async () => {
  const logged = [];
  const client = server.client({ logger: (...entry) => logged.push(entry) });
  server.routes["POST /guest-login"] = () => ({ body: loginOf(1, { token: "secret.a.b", refresh_token: "secret-r" }) });
  const { peer, room, log } = await server.join({ client });
  const errors = [];
  room.on("disconnected", ({ cause }) => errors.push(cause));
  room.on("error", (error) => errors.push(error));
  peer.sendText("{");
  server.routes["POST /refresh"] = () => refusal(401, "session_ended");
  peer.close(4001, "token_expired");
  await until(() => log.at(-1)[2] === false);
  errors.push(await client.rpc("a").catch((error) => error));
  const told = JSON.stringify([logged, errors, errors.map(({ message, stack, cause }) => [message, stack, `${cause}`]), [...peer.query]]);
  assert.doesNotMatch(told, /secret/);
});
