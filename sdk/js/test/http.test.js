// The HTTP half of the SDK, against a server that answers as each test says.

import assert from "node:assert/strict";
import { after, before, test as testWithoutLimit } from "node:test";

import { GodraClient, GodraError } from "../godra.js";
import { FakeServer } from "./fake-server.js";

const test = (name, run) => testWithoutLimit(name, { timeout: 30_000 }, run);

let server;
before(async () => {
  server = await FakeServer.start();
});
after(() => server.stop());

const LOGIN = { token: "a.b.c", expires_in: 86400, user_id: "guest:1", role: "guest" };

/** Answers RPCs with `answer`, and gives a client with a token. */
function clientOf(answer, options = {}) {
  server.requests.length = 0;
  server.routes["POST /guest-login"] = () => ({ body: LOGIN });
  server.routes["POST /api/rpc"] = typeof answer === "function" ? answer : () => answer;
  return new GodraClient(server.url, { token: "a.b.c", ...options });
}

test("guestLogin gives the answer, and its token is used from then on", async () => {
  const client = clientOf({ body: { result: "OK" } }, { token: undefined });
  await assert.rejects(client.rpc("x"), { code: "unauthorized" });
  assert.deepEqual(await client.auth.guestLogin(), LOGIN);
  assert.equal(client.token, "a.b.c");
  await client.rpc("x");
  assert.equal(server.requests.at(-1).headers.authorization, "Bearer a.b.c");
});

test("each call sends the script, arguments and keys that the protocol names", async () => {
  const check = async (call, expected) => {
    const client = clientOf({ body: { result: "game:abc" } });
    assert.equal(await call(client), "game:abc");
    const { method, path, body, headers } = server.requests.at(-1);
    assert.deepEqual({ method, path, body }, { method: "POST", path: "/api/rpc", body: expected });
    assert.equal(headers["content-type"], "application/json");
  };
  await check((c) => c.rpc("x"), { script: "x", args: [] });
  await check((c) => c.rpc("x", [1, "2", true, { a: null }], ["k"]), { script: "x", args: [1, "2", true, { a: null }], keys: ["k"] });
  await check((c) => c.lobby.createLobby("t"), { script: "create_lobby", args: [] });
  await check((c) => c.lobby.createLobby("t", 8), { script: "create_lobby", args: [8] });
  await check((c) => c.lobby.joinLobby("t", "abc"), { script: "join_lobby", args: [], keys: ["game:abc"] });
  await check((c) => c.lobby.joinLobby("t", "game:abc"), { script: "join_lobby", args: [], keys: ["game:abc"] });
  await check((c) => c.lobby.leaveLobby("t", "game:abc"), { script: "leave_lobby", args: [], keys: ["game:abc"] });
});

test("lobbies are listed by pages, which scripts write as JSON text", async () => {
  const page = { lobbies: [{ id: "game:abc", members: 1, capacity: 4, created_at: 5 }], cursor: "5:abc" };
  const check = async (options, args, result = JSON.stringify(page)) => {
    const client = clientOf({ body: { result } });
    assert.deepEqual(await client.lobby.listLobbies("t", options), page);
    assert.deepEqual(server.requests.at(-1).body, { script: "list_lobbies", args });
  };
  await check(undefined, [20]);
  await check({ limit: 5 }, [5]);
  await check({ limit: 5, cursor: "5:abc" }, [5, "5:abc"]);
  await check({ cursor: "5:abc" }, [20, "5:abc"]);
  await check({ cursor: null }, [20]);
  await check({}, [20], page);
  for (const result of ["", "{", "[]", '{"lobbies":{}}', null, 3]) {
    await assert.rejects(clientOf({ body: { result } }).lobby.listLobbies("t"), { code: "bad_response" }, String(result));
  }
});

test("a lobby call uses the token that it is given, else the client's", async () => {
  const client = clientOf({ body: { result: "OK" } });
  await client.lobby.joinLobby("other", "abc");
  assert.equal(server.requests.at(-1).headers.authorization, "Bearer other");
  await client.lobby.joinLobby(null, "abc");
  assert.equal(server.requests.at(-1).headers.authorization, "Bearer a.b.c");
});

test("a lobby id that cannot be one is refused without asking the server", async () => {
  const client = clientOf({ body: { result: "OK" } });
  for (const id of ["", "game:", "a b", "ä", "x".repeat(65), "game:game:a", undefined, null, {}, 5]) {
    await assert.rejects(client.lobby.joinLobby("t", id), { code: "bad_request" }, String(id));
  }
  assert.equal(server.requests.length, 0);
});

test("a client of another game says so, and its lobbies are that game's", async () => {
  const client = clientOf({ body: { result: "OK" } }, { game: "chess" });
  for (const id of ["abc", "game:abc", "chess~abc", "game:chess~abc"]) {
    await client.lobby.joinLobby("t", id);
    const { game, keys } = server.requests.at(-1).body;
    assert.deepEqual({ game, keys }, { game: "chess", keys: ["game:chess~abc"] }, id);
  }
  assert.equal(server.requests.length, 4);
  for (const id of ["go~abc", "~abc", "chess~", "chess~chess~abc", "Chess~abc"]) {
    await assert.rejects(client.lobby.joinLobby("t", id), { code: "bad_request" }, id);
  }
  assert.equal(server.requests.length, 4);
  const ofDefault = clientOf({ body: { result: "OK" } });
  await assert.rejects(ofDefault.lobby.joinLobby("t", "chess~abc"), { code: "bad_request" });
  await ofDefault.rpc("x");
  assert.equal(server.requests.length, 1);
  assert.ok(!("game" in server.requests[0].body));
  for (const game of ["Chess", "a b", "9x", "chess~", "g".repeat(33), 5]) {
    assert.throws(() => clientOf({}, { game }), /a game's name is/, String(game));
  }
});

test("errors of the server keep their status, code, message and delay", async () => {
  const check = async (answer, expected) => {
    const error = await clientOf(answer).rpc("x").catch((caught) => caught);
    assert.ok(error instanceof GodraError && error instanceof Error);
    const { status, code, message, retryAfter, details } = error;
    assert.deepEqual({ status, code, message, retryAfter, details }, { retryAfter: undefined, details: undefined, ...expected });
  };
  const body = (code, message, more) => ({ error: { code, message, ...more } });
  await check(
    { status: 403, body: body("script_error", "Lobby is full") },
    { status: 403, code: "script_error", message: "Lobby is full" },
  );
  await check(
    { status: 429, headers: { "Retry-After": "7" }, body: body("rate_limited", "Slow down") },
    { status: 429, code: "rate_limited", message: "Slow down", retryAfter: 7 },
  );
  await check(
    { status: 400, body: body("too_fast", "Too fast", { details: { x: 1 } }) },
    { status: 400, code: "too_fast", message: "Too fast", details: { x: 1 } },
  );
  // What a proxy says in front of the server.
  await check({ status: 502, body: "<h1>Bad Gateway</h1>" }, { status: 502, code: "unavailable", message: "HTTP status 502" });
  await check({ status: 404, body: "null" }, { status: 404, code: "not_found", message: "HTTP status 404" });
  await check({ status: 418, body: "[]" }, { status: 418, code: "bad_response", message: "HTTP status 418" });
  await check({ status: 503, headers: { "Retry-After": "soon" }, body: "" }, { status: 503, code: "unavailable", message: "HTTP status 503" });
});

test("a good status with nonsense is a bad response", async () => {
  for (const body of ["", "OK", "null", "3", '"text"', "{}", "[]"]) {
    await assert.rejects(clientOf({ body }).rpc("x"), { code: "bad_response" }, body);
  }
  const client = clientOf({ body: {} });
  server.routes["POST /guest-login"] = () => ({ body: { user_id: "x" } });
  await assert.rejects(client.auth.guestLogin(), { code: "bad_response" });
});

test("a null result stays null", async () => {
  assert.equal(await clientOf({ body: { result: null } }).rpc("x"), null);
});

test("a server that cannot be reached is unavailable", async () => {
  const gone = await FakeServer.start();
  await gone.stop();
  await assert.rejects(new GodraClient(gone.url, { token: "t" }).rpc("x"), (error) => {
    assert.equal(error.code, "unavailable");
    assert.match(error.message, new RegExp(`127.0.0.1:${gone.port}`));
    assert.ok(error.cause);
    return true;
  });
});

test("a server that does not answer is timed out", async () => {
  let release;
  const held = new Promise((resolve) => {
    release = resolve;
  });
  const client = clientOf(() => held.then(() => ({ body: {} })), { requestTimeoutMs: 50 });
  await assert.rejects(client.rpc("x"), { code: "timeout" });
  release();
});

test("base addresses", () => {
  const check = (address, expected) => {
    const seen = [];
    const fetch = async (url) => {
      seen.push(url);
      return new Response(JSON.stringify(LOGIN));
    };
    return new GodraClient(address, { fetch }).auth.guestLogin().then(() => assert.deepEqual(seen, [expected]));
  };
  for (const bad of ["", "localhost:8080", "ftp://x", "/path", undefined, {}]) {
    assert.throws(() => new GodraClient(bad), TypeError, String(bad));
  }
  return Promise.all([
    check("http://x:1", "http://x:1/guest-login"),
    check("http://x:1/", "http://x:1/guest-login"),
    check("https://x/games?a=1#b", "https://x/games/guest-login"),
    check("ws://x:1", "http://x:1/guest-login"),
    check("wss://x", "https://x/guest-login"),
    check(new URL("http://x:1"), "http://x:1/guest-login"),
  ]);
});
