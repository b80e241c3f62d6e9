// Requests that run exactly once, without a socket and without waiting: what goes out, in which order, and how it ends.

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { GodraError } from "../src/errors.js";
import { MAX_UNDER_WAY, MAX_WAITING, Outbox } from "../src/outbox.js";

let outbox;
/** What went out and was not looked at yet. */
let sent;
/** What is due later: { run, delayMs }. */
let timers;
let canSend;
let nextId;
beforeEach(() => {
  sent = [];
  timers = new Set();
  canSend = true;
  nextId = 100;
  const send = (text) => canSend && sent.push(JSON.parse(text)) > 0;
  const later = (run, delayMs) => {
    const timer = { run, delayMs };
    timers.add(timer);
    return () => timers.delete(timer);
  };
  outbox = new Outbox({ send, later, random: () => 1 });
});

const welcome = (more = {}) => outbox.welcome({ user_id: "guest:1", epoch: "1f", n: 0, ...more });

/** A request, and in `end` how it ended: its result, or `{code, outcome}`. */
function add(action, timeoutMs) {
  const request = { id: nextId++, end: undefined };
  const promise = outbox.add(request.id, action, { of: action }, timeoutMs);
  request.done = promise.then(
    (result) => (request.end = result),
    ({ code, outcome }) => (request.end = { code, outcome }),
  );
  return request;
}

/** What went out since the last look, as `action:n`. */
const looked = () => sent.splice(0).map(({ action, n }) => `${action}:${n}`).join(" ");

const reply = ({ id }, result) => outbox.settle({ type: "reply", id, result }, null);

function refuse(n, code) {
  return outbox.settle({ type: "error", n, payload: { code } }, new GodraError(code, "no", { outcome: "ran" }));
}

function runTimers() {
  for (const timer of [...timers]) {
    timers.delete(timer);
    timer.run();
  }
}

test("a request has the first free number, its id and its payload", async () => {
  welcome({ n: 7 });
  const [a, b] = [add("a"), add("b")];
  assert.deepEqual(sent, [
    { action: "a", payload: { of: "a" }, id: a.id, n: 8 },
    { action: "b", payload: { of: "b" }, id: b.id, n: 9 },
  ]);
  assert.equal(reply(b, "second"), true);
  assert.equal(reply(a, null), true);
  await Promise.all([a.done, b.done]);
  assert.deepEqual([a.end, b.end], [null, "second"]);
});

test("a payload goes out as it was when the request was made", async () => {
  const payload = { x: 1 };
  outbox.add(1, "a", payload);
  payload.x = 2;
  welcome();
  assert.deepEqual(sent[0].payload, { x: 1 });
  const loop = {};
  loop.loop = loop;
  await assert.rejects(outbox.add(2, "b", loop), TypeError);
});

test("what is asked for before a connection waits for it, in order", () => {
  add("a");
  add("b");
  assert.equal(looked(), "");
  welcome({ n: 3 });
  assert.equal(looked(), "a:4 b:5");
});

test("64 may wait; the next is refused, and has not run", async () => {
  for (let count = 0; count < MAX_WAITING; count += 1) add("a");
  const tooMany = add("b");
  await tooMany.done;
  assert.deepEqual(tooMany.end, { code: "queue_full", outcome: "none" });
  welcome();
  assert.equal(sent.length, MAX_UNDER_WAY);
  outbox.settle({ type: "reply", id: sent[0].id, result: 1 }, null);
  add("c");
  await Promise.resolve();
  assert.equal(sent.length, MAX_UNDER_WAY + 1, "one answer makes room for one");
});

test("as many are under way as the server keeps first answers", () => {
  welcome();
  const requests = Array.from({ length: MAX_UNDER_WAY + 2 }, () => add("a"));
  assert.equal(sent.at(-1).n, MAX_UNDER_WAY);
  reply(requests[3], null);
  assert.equal(sent.at(-1).n, MAX_UNDER_WAY + 1);
});

test("after a reconnect all that is unanswered goes again with its number, oldest first, before anything new", async () => {
  welcome();
  const [a, b, c] = ["a", "b", "c"].map((action) => add(action));
  assert.equal(looked(), "a:1 b:2 c:3");
  reply(b, "b ran");
  outbox.lost();
  const d = add("d");
  assert.equal(looked(), "");
  // a and b have run, says the server; the answer to a was lost.
  welcome({ n: 2 });
  assert.equal(looked(), "a:1 c:3 d:4");
  reply(a, { duplicate: true });
  reply(c, "first answer");
  reply(d, "new");
  await Promise.all([a, b, c, d].map(({ done }) => done));
  assert.deepEqual([a, b, c, d].map(({ end }) => end), [{ duplicate: true }, "b ran", "first answer", "new"]);
});

test("an error is the answer, too, unless it says that the request did not run now", async () => {
  welcome();
  const requests = ["a", "b", "c", "d"].map((action) => add(action));
  ["too_poor", "script_error", "forbidden", "bad_request"].forEach((code, index) => refuse(index + 1, code));
  await Promise.all(requests.map(({ done }) => done));
  assert.deepEqual(requests.map(({ end }) => end.code), ["too_poor", "script_error", "forbidden", "bad_request"]);
  outbox.lost();
  looked();
  welcome({ n: 2 });
  assert.equal(looked(), "", "nothing is left");
});

for (const code of ["busy", "unavailable", "rate_limited", "out_of_order"]) {
  test(`${code} puts off the request and all behind it`, async () => {
    welcome();
    const [a, b, c] = ["a", "b", "c"].map((action) => add(action));
    looked();
    refuse(2, code);
    refuse(3, "out_of_order");
    const d = add("d");
    assert.equal(looked(), "", "nothing may overtake what was refused");
    assert.equal(timers.size, 1);
    reply(a, 1);
    assert.equal(looked(), "", "nor when something before it is answered");
    runTimers();
    assert.equal(looked(), "b:2 c:3 d:4");
    for (const request of [b, c, d]) reply(request, 2);
    await Promise.all([a, b, c, d].map(({ done }) => done));
    assert.deepEqual([a, b, c, d].map(({ end }) => end), [1, 2, 2, 2]);
  });
}

test("a server that goes on refusing is asked less and less often, until an answer", () => {
  welcome();
  const a = add("a");
  const delays = () => [...timers].map(({ delayMs }) => delayMs);
  const seen = [];
  for (let count = 0; count < 7; count += 1) {
    refuse(1, "busy");
    seen.push(...delays());
    runTimers();
  }
  assert.deepEqual(seen, [200, 400, 800, 1_600, 3_200, 5_000, 5_000]);
  reply(a, null);
  add("b");
  refuse(2, "busy");
  assert.deepEqual(delays(), [200]);
});

test("a refusal does not outlive its connection", () => {
  welcome();
  add("a");
  refuse(1, "busy");
  looked();
  outbox.lost();
  assert.equal(timers.size, 0);
  welcome();
  assert.equal(looked(), "a:1");
});

test("the second answer to what was sent twice is nobody's, an error too", async () => {
  welcome();
  const a = add("a");
  reply(a, 1);
  await a.done;
  assert.equal(refuse(1, "too_poor"), true, "an error with a number is never told as an event");
  assert.equal(reply({ id: 5 }, null), false, "another's");
  assert.equal(outbox.settle({ type: "error", id: 5, payload: {} }, new GodraError("busy", "")), false);
});

test("in another epoch nobody knows what became of what was sent; the rest is sent with new numbers", async () => {
  welcome({ n: 50 });
  const a = add("a");
  outbox.lost();
  const b = add("b");
  looked();
  welcome({ epoch: "20", n: 0 });
  await a.done;
  assert.deepEqual(a.end, { code: "disconnected", outcome: "unknown" });
  assert.equal(looked(), "b:1");
  assert.equal(b.end, undefined);
});

test("an epoch that ends on a living connection leaves the answers to that", async () => {
  welcome({ n: 5 });
  const [a, b] = [add("a"), add("b")];
  outbox.epochIs("20");
  const c = add("c");
  reply(a, 1);
  await a.done;
  outbox.lost();
  looked();
  welcome({ epoch: "20", n: 8 });
  await b.done;
  assert.deepEqual([a.end, b.end], [1, { code: "disconnected", outcome: "unknown" }]);
  assert.equal(looked(), "c:8", "sent to the new epoch already");
  assert.equal(c.end, undefined);
});

test("another player does not send what the one before asked for", async () => {
  welcome({ n: 50 });
  const a = add("a");
  outbox.lost();
  const b = add("b");
  looked();
  welcome({ user_id: "42", n: 0 });
  await Promise.all([a.done, b.done]);
  assert.deepEqual([a.end, b.end], [{ code: "disconnected", outcome: "unknown" }, { code: "disconnected", outcome: "none" }]);
  add("c");
  assert.equal(looked(), "c:1");
});

test("numbers that another connection of the player used are left out", () => {
  welcome();
  reply(add("a"), null);
  outbox.lost();
  looked();
  welcome({ n: 9 });
  add("b");
  assert.equal(looked(), "b:10");
});

test("a state that is older than the answers gives no number a second time", () => {
  welcome({ n: 5 });
  reply(add("a"), null);
  outbox.lost();
  looked();
  welcome({ n: 3 });
  add("b");
  assert.equal(looked(), "b:7");
});

test("a server without numbers refuses such requests, those that waited and later ones", async () => {
  const early = add("a");
  welcome({ n: undefined });
  const late = add("b");
  await Promise.all([early.done, late.done]);
  for (const { end } of [early, late]) assert.deepEqual(end, { code: "unsupported", outcome: "none" });
  assert.equal(sent.length, 0);
  outbox.lost();
  welcome({ n: 4 });
  add("c");
  assert.equal(looked(), "c:5", "a newer server came back");
});

test("the end fails everything, and says whether it may have run", async () => {
  welcome();
  const a = add("a", 1_000);
  outbox.lost();
  const b = add("b");
  outbox.fail("The connection was closed");
  await Promise.all([a.done, b.done]);
  assert.deepEqual([a.end.outcome, b.end.outcome], ["unknown", "none"]);
  assert.equal(timers.size, 0);
});

test("a time limit: what was not sent never will be, what was sent goes on until it is answered", async () => {
  const waiting = add("a", 1_000);
  runTimers();
  await waiting.done;
  assert.deepEqual(waiting.end, { code: "timeout", outcome: "none" });
  welcome();
  assert.equal(looked(), "");

  const slow = add("b", 1_000);
  runTimers();
  await slow.done;
  assert.deepEqual(slow.end, { code: "timeout", outcome: "unknown" });
  outbox.lost();
  add("c");
  looked();
  welcome();
  assert.equal(looked(), "b:1 c:2", "the server may hold back all behind it");
});

test("without a time limit a request waits, and with one a reply in time ends the clock", async () => {
  welcome();
  add("a");
  assert.equal(timers.size, 0);
  const b = add("b", 1_000);
  reply(b, 1);
  await b.done;
  assert.equal(timers.size, 0);
});

test("a network that is far behind takes it later", () => {
  canSend = false;
  welcome();
  const a = add("a");
  canSend = true;
  add("b");
  assert.equal(looked(), "", "not before a");
  runTimers();
  assert.equal(looked(), "a:1 b:2");
  assert.equal(reply(a, 1), true);
});

test("what could not be sent has not run", async () => {
  canSend = false;
  welcome();
  const a = add("a");
  outbox.fail("over");
  await a.done;
  assert.equal(a.end.outcome, "none");
});
