import assert from "node:assert/strict";
import { test } from "node:test";
import { fill, login, ownerOf } from "../judge/values.js";

const about = { names: new Map([["last", { id: 7, payload: { a: [5] } }]]), url: "http://127.0.0.1:1" };

test("logins and tokens are those of a user", () => {
  const filled = fill({ body: "$login2", token: "$token2", refresh: "$refresh2" }, about);
  assert.deepEqual(filled.body, login({ n: 2 }));
  assert.equal(filled.token, filled.body.token);
  assert.equal(filled.refresh, filled.body.refresh_token);
  assert.notEqual(fill("$token", about), filled.token);
  assert.deepEqual(ownerOf(filled.token), { user_id: "guest:1", username: "Guest", role: "guest" });
  const ann = fill({ $login: { n: 3, user_id: "42", username: "Änne", role: "player" } }, about);
  assert.deepEqual(ownerOf(ann.token), { user_id: "42", username: "Änne", role: "player" });
});

test("addresses are the server's", () => {
  assert.equal(fill("$url/x", about), "http://127.0.0.1:1/x");
  assert.equal(fill("$ws_url", about), "ws://127.0.0.1:1");
});

test("what a step took can be named by a later one", () => {
  assert.deepEqual(fill({ id: "$last.id", first: "$last.payload.a.0" }, about), { id: 7, first: 5 });
  assert.throws(() => fill("$other.id", about), /no step before this one took "other"/);
});

test("texts are put together", () => {
  assert.equal(fill({ $text: ["a", { repeat: "bc", times: 2 }, "$last.id"] }, { ...about, names: new Map([["last", { id: "7" }]]) }), "abcbc7");
});

test("conditions and other texts stay as they are", () => {
  for (const value of ["$any", "$absent", "plain", { $between: [1, 2] }, null, 7]) assert.deepEqual(fill(value, about), value);
});
