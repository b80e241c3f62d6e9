// Logins and sessions, against a server that answers as each test says.

import assert from "node:assert/strict";
import { after, before, beforeEach, test as testWithoutLimit } from "node:test";
import WebSocket from "ws";

import { GodraClient, newDevice } from "../godra.js";
import { FakeServer } from "./fake-server.js";

const test = (name, run) => testWithoutLimit(name, { timeout: 30_000 }, run);

let server;
let sessions;
before(async () => {
  server = await FakeServer.start();
});
after(() => server.stop());
beforeEach(() => {
  server.requests.length = 0;
  sessions = [];
  let count = 0;
  server.routes["POST /login"] = () => ({ body: loginOf(0) });
  server.routes["POST /guest-login"] = () => ({ body: loginOf(0) });
  server.routes["POST /refresh"] = () => ({ body: loginOf(++count) });
  server.routes["POST /api/rpc"] = ({ headers }) => ({ body: { result: headers.authorization } });
});

function loginOf(number, expires_in = 3600) {
  return { token: `t${number}`, refresh_token: `r${number}`, expires_in, user_id: "1", username: "ann", role: "player" };
}

function newClient(options = {}) {
  return new GodraClient(server.url, { WebSocket, onSession: (session) => sessions.push(session), ...options });
}

/** A client whose token is at its end. */
async function clientNearTheEnd(options) {
  server.routes["POST /login"] = () => ({ body: loginOf(0, 0) });
  const client = newClient(options);
  await client.auth.login("ann", "12345678");
  return client;
}

const sent = () => {
  const { method, path, body, headers } = server.requests.at(-1);
  return [method, path, body, headers.authorization];
};
const paths = () => server.requests.map(({ path }) => path);

test("each call sends what the protocol names", async () => {
  const client = newClient();
  server.routes["POST /register"] = () => ({ status: 201, body: { user_id: "1", username: "ann", role: "player" } });
  server.routes["POST /account/upgrade"] = () => ({ body: loginOf(5) });
  server.routes["POST /account/password"] = () => ({ status: 204, body: "" });
  server.routes["POST /logout"] = () => ({ status: 204, body: "" });
  server.routes["GET /account"] = () => ({ body: { user_id: "1", username: "ann", role: "player", expires_in: 9 } });
  await client.auth.guestLogin();
  assert.deepEqual(sent(), ["POST", "/guest-login", {}, undefined]);
  await client.auth.guestLogin({ nickname: "Ann" });
  assert.deepEqual(sent(), ["POST", "/guest-login", { nickname: "Ann" }, undefined]);
  await client.auth.register("ann", "12345678");
  assert.deepEqual(sent(), ["POST", "/register", { username: "ann", password: "12345678" }, undefined]);
  assert.deepEqual(await client.auth.login("ann", "12345678"), loginOf(0));
  assert.deepEqual(sent(), ["POST", "/login", { username: "ann", password: "12345678" }, undefined]);
  await client.auth.changePassword("12345678", "87654321");
  assert.deepEqual(sent(), ["POST", "/account/password", { old: "12345678", new: "87654321" }, "Bearer t0"]);
  assert.equal((await client.auth.account()).username, "ann");
  assert.equal(sent()[3], "Bearer t0");
  await client.auth.refresh();
  assert.deepEqual(sent(), ["POST", "/refresh", { refresh_token: "r0" }, undefined]);
  await client.auth.upgrade("ben", "12345678");
  assert.deepEqual(sent(), ["POST", "/account/upgrade", { username: "ben", password: "12345678", rooms: [] }, "Bearer t1"]);
  assert.equal(client.token, "t5");
  await client.auth.logout();
  assert.deepEqual([sent()[1], sent()[3]], ["/logout", "Bearer t5"]);
  assert.deepEqual([client.token, client.auth.session, sessions.at(-1)], [null, null, null]);
});

test("logins without a password send what the protocol names", async () => {
  const client = newClient();
  const login = { ...loginOf(0), created: true };
  server.routes["POST /external-login"] = () => ({ body: login });
  server.routes["POST /device-login"] = () => ({ body: { ...loginOf(1), created: false } });
  assert.deepEqual(await client.auth.loginWithToken("jwt"), login);
  assert.deepEqual(sent(), ["POST", "/external-login", { token: "jwt" }, undefined]);
  const device = { device_id: "d", secret: "s" };
  assert.equal((await client.auth.loginWithDevice({ ...device, kept_at: 7 })).created, false);
  assert.deepEqual(sent(), ["POST", "/device-login", device, undefined]);
  assert.equal(client.token, "t1");

  const list = { identities: [{ issuer: "device", subject: "d", linked_at: 7 }], has_password: true };
  server.routes["GET /account/identities"] = () => ({ body: list });
  server.routes["POST /account/identities"] = () => ({ body: list });
  assert.deepEqual(await client.auth.identities(), list);
  assert.deepEqual(await client.auth.linkIdentity({ token: "jwt" }, { proof: { password: "p" } }), list);
  assert.deepEqual(sent(), ["POST", "/account/identities", { token: "jwt", proof: { password: "p" }, rooms: [] }, "Bearer t1"]);
  assert.equal(client.token, "t1");

  const path = "/account/identities/https%3A%2F%2Fid.example%2Fa/user%7C7";
  server.routes[`DELETE ${path}`] = () => ({ status: 204, body: "" });
  assert.equal(await client.auth.unlinkIdentity({ issuer: "https://id.example/a", subject: "user|7" }, { proof: device }), undefined);
  assert.deepEqual(sent(), ["DELETE", path, { proof: device }, "Bearer t1"]);
  const error = { code: "conflict", message: "this is the last way to log in" };
  server.routes[`DELETE ${path}`] = () => ({ status: 409, body: { error } });
  await assert.rejects(client.auth.unlinkIdentity({ issuer: "https://id.example/a", subject: "user|7" }), { ...error, status: 409 });
});

test("a guest that links goes on as the player", async () => {
  const client = newClient();
  await client.auth.guestLogin();
  server.routes["POST /account/identities"] = () => ({ body: { ...loginOf(5), user_id: "9", created: true } });
  const login = await client.auth.linkIdentity({ token: "jwt" }, { lobbies: ["game:a"] });
  assert.deepEqual(server.requests.at(-1).body, { token: "jwt", rooms: ["a"] });
  assert.deepEqual([login.created, client.token, client.auth.session.user_id], [true, "t5", "9"]);
});

test("a new device is random, and has the form that servers take", () => {
  const devices = Array.from({ length: 20 }, newDevice);
  for (const { device_id, secret } of devices) {
    assert.match(device_id, /^[A-Za-z0-9_-]{22}$/);
    assert.match(secret, /^[A-Za-z0-9_-]{43}$/);
  }
  assert.equal(new Set(devices.flatMap(({ device_id, secret }) => [device_id, secret])).size, 40);
});

test("a new name is the session's at once, and is kept", async () => {
  const client = newClient();
  await client.auth.login("ann", "12345678");
  const before = client.auth.session;
  server.routes["PATCH /account"] = () => ({ body: { user_id: before.user_id, username: "zoe", role: "player" } });
  assert.deepEqual(await client.auth.rename("zoe", "12345678"), { user_id: before.user_id, username: "zoe", role: "player" });
  assert.deepEqual(sent(), ["PATCH", "/account", { username: "zoe", password: "12345678" }, `Bearer ${before.token}`]);
  assert.deepEqual(client.auth.session, { ...before, username: "zoe" });
  assert.deepEqual(sessions.at(-1), { ...before, username: "zoe" });
  const error = { code: "conflict", message: "this username is taken" };
  server.routes["PATCH /account"] = () => ({ status: 409, body: { error } });
  await assert.rejects(client.auth.rename("ben", "12345678"), { ...error, status: 409 });
  assert.equal(client.auth.session.username, "zoe");
  server.routes["PATCH /account"] = () => ({ body: { user_id: before.user_id, username: "cleo", role: "player" } });
  await client.auth.rename("cleo", { proof: { token: "jwt" } });
  assert.deepEqual(sent(), ["PATCH", "/account", { username: "cleo", proof: { token: "jwt" } }, `Bearer ${before.token}`]);
  assert.equal(client.auth.session.username, "cleo");
});

test("a deleted account has no session", async () => {
  const client = newClient();
  await client.auth.login("ann", "12345678");
  const { token } = client;
  const error = { code: "forbidden", message: "the password is wrong" };
  server.routes["DELETE /account"] = () => ({ status: 403, body: { error } });
  await assert.rejects(client.auth.deleteAccount("wrong"), { ...error, status: 403 });
  assert.equal(client.token, token, "it goes on");
  server.routes["DELETE /account"] = () => ({ status: 204, body: "" });
  await client.auth.deleteAccount("12345678");
  assert.deepEqual(sent(), ["DELETE", "/account", { password: "12345678" }, `Bearer ${token}`]);
  assert.deepEqual([client.token, client.auth.session], [null, null]);
  await client.auth.login("ann", "12345678");
  const proof = { device_id: "d", secret: "s" };
  await client.auth.deleteAccount({ proof });
  assert.deepEqual(sent().slice(0, 3), ["DELETE", "/account", { proof }]);
  assert.equal(client.auth.session, null);
  await client.auth.guestLogin();
  await client.auth.deleteAccount();
  assert.deepEqual(sent().slice(0, 3), ["DELETE", "/account", {}]);
});

test("a code sets another password without a login", async () => {
  server.routes["POST /account/reset"] = () => ({ status: 204, body: "" });
  const client = newClient();
  assert.equal(await client.auth.resetPassword("ann", "ABCD-EFGH", "12345678"), undefined);
  assert.deepEqual(sent(), ["POST", "/account/reset", { username: "ann", code: "ABCD-EFGH", password: "12345678" }, undefined]);
  assert.equal(client.token, null);
});

test("a refusal comes through as it is", async () => {
  const error = { code: "conflict", message: "this username is taken" };
  server.routes["POST /register"] = () => ({ status: 409, body: { error } });
  await assert.rejects(newClient().auth.register("ann", "12345678"), { ...error, status: 409 });
  server.routes["POST /login"] = () => ({
    status: 429,
    headers: { "Retry-After": "7" },
    body: { error: { code: "rate_limited", message: "wait" } },
  });
  await assert.rejects(newClient().auth.login("ann", "12345678"), { code: "rate_limited", retryAfter: 7 });
});

test("a token near its end is refreshed once, however many calls want it", async () => {
  const client = await clientNearTheEnd();
  const results = await Promise.all([client.rpc("a"), client.rpc("b"), client.lobby.createLobby(null)]);
  assert.deepEqual(results, ["Bearer t1", "Bearer t1", "Bearer t1"]);
  assert.equal(paths().filter((path) => path === "/refresh").length, 1);
  assert.deepEqual(sessions.map((session) => session.token), ["t0", "t1"]);
  assert.equal(await client.rpc("c"), "Bearer t1");
});

test("a fresh token, and one that was given, are used as they are", async () => {
  const client = newClient();
  await client.auth.login("ann", "12345678");
  assert.equal(await client.rpc("a"), "Bearer t0");
  assert.equal(await client.rpc("a", [], undefined, { token: "mine" }), "Bearer mine");
  client.token = "other";
  assert.equal(await client.rpc("a"), "Bearer other");
  assert.ok(!paths().includes("/refresh"));
});

test("after a refused token the next call refreshes it, and none is made twice", async () => {
  const client = newClient();
  await client.auth.login("ann", "12345678");
  const answer = server.routes["POST /api/rpc"];
  server.routes["POST /api/rpc"] = () => ({ status: 401, body: { error: { code: "unauthorized", message: "void" } } });
  await assert.rejects(client.rpc("a"), { code: "unauthorized" });
  server.routes["POST /api/rpc"] = answer;
  assert.equal(await client.rpc("a"), "Bearer t1");
  assert.deepEqual(paths(), ["/login", "/api/rpc", "/refresh", "/api/rpc"]);
});

test("a session that the server has ended is forgotten, one that it could not look at is not", async () => {
  const client = await clientNearTheEnd();
  server.routes["POST /refresh"] = () => ({ status: 503, body: { error: { code: "unavailable", message: "later" } } });
  await assert.rejects(client.rpc("a"), { code: "unavailable" });
  assert.equal(client.auth.session.refresh_token, "r0");
  server.routes["POST /refresh"] = () => ({ status: 401, body: { error: { code: "unauthorized", message: "ended" } } });
  await assert.rejects(client.rpc("a"), { code: "unauthorized", message: "ended" });
  assert.deepEqual([client.auth.session, client.token, sessions.at(-1)], [null, null, null]);
  await assert.rejects(client.auth.refresh(), { code: "unauthorized" });
});

test("a refresh whose answer is lost is made once more with the same token", async () => {
  let lost = 0;
  const losing = async (url, init) => {
    const response = await fetch(url, init);
    if (!url.endsWith("/refresh") || lost === 0) return response;
    lost -= 1;
    throw new TypeError("the connection broke");
  };
  const client = await clientNearTheEnd({ fetch: losing });
  server.routes["POST /refresh"] = ({ body }) => ({ body: { ...loginOf(1), refresh_token: `after ${body.refresh_token}` } });
  lost = 1;
  assert.equal(await client.rpc("a"), "Bearer t1");
  const presented = server.requests.filter(({ path }) => path === "/refresh").map(({ body }) => body.refresh_token);
  assert.deepEqual(presented, ["r0", "r0"]);
  assert.equal(client.auth.session.refresh_token, "after r0");
  lost = 2;
  await assert.rejects(client.auth.refresh(), { code: "unavailable" });
  assert.equal(client.auth.session.refresh_token, "after r0", "kept for the next try");
});

test("a kept session goes on", async () => {
  const before = newClient();
  await before.auth.login("ann", "12345678");
  const client = newClient({ session: JSON.parse(JSON.stringify(before.auth.session)) });
  assert.equal(await client.rpc("a"), "Bearer t0");
  const late = newClient({ session: { ...before.auth.session, expires_at: Date.now() } });
  assert.equal(await late.rpc("a"), "Bearer t1");
});

test("a socket whose token has had its time comes back with a fresh one", async () => {
  const client = newClient({ reconnect: { firstDelayMs: 1 } });
  await client.auth.login("ann", "12345678");
  const protocols = [];
  const welcome = { type: "welcome", payload: { user_id: "1", state: {} }, seq: 1 };
  server.onUpgrade = ({ headers }) => void protocols.push(headers["sec-websocket-protocol"]);
  server.onPeer = (peer) => peer.send(welcome);
  try {
    const back = new Promise((resolve) => client.realtime.on("reconnecting", () => client.realtime.on("connected", resolve)));
    await client.realtime.connect(client.token, "abc");
    (await server.nextPeer()).close(4001, "your role has changed");
    await back;
    assert.deepEqual(protocols.map((entry) => entry.split("bearer.")[1]), ["t0", "t1"]);
  } finally {
    client.realtime.close();
    server.onUpgrade = () => undefined;
    server.onPeer = () => {};
  }
});
