import assert from "node:assert/strict";
import { test } from "node:test";
import { markFaults } from "../checks/marks.js";

const unknown = { error: { code: "disconnected", outcome: "unknown" } };
const none = { error: { code: "disconnected", outcome: "none" } };
const asAsked = { error: { code: "as_asked", outcome: "ran" } };
const asked = (mark, result, more = {}) => ({ mark, player: "ann", way: "once", fails: false, begun: 10, ended: 20, result, ...more });
const faults = (list, ran, crashes) => markFaults(list, ran, crashes).join("\n");

test("all is well when each ran as it was answered", () => {
  const list = [asked("a", { value: 1 }), asked("b", asAsked, { fails: true }), asked("c", { value: { duplicate: true } }), asked("d", { value: 3 })];
  assert.equal(faults(list, ["a", "c", "d"]), "");
});

test("a numbered one that ran twice, not at all, or unasked", () => {
  assert.match(faults([asked("a", { value: 1 })], ["a", "a"]), /was to run 1 times; it ran 2/);
  assert.match(faults([asked("a", { value: 1 })], []), /was to run 1 times; it ran 0/);
  assert.match(faults([], ["a"]), /nobody asked/);
});

test("one that was never answered, or not with its own answer", () => {
  assert.match(faults([asked("a", undefined)], ["a"]), /was never answered/);
  assert.match(faults([asked("a", { value: 2 }), asked("b", { value: 1 })], ["a", "b"]), /a .*another's answer.*\nb .*another's answer/);
  assert.match(faults([asked("a", { value: null })], ["a"]), /an answer of another kind/);
  assert.match(faults([asked("a", { value: { duplicate: true } }, { way: "request" })], ["a"]), /an answer of another kind/);
});

test("one that was to fail, and did not, or has left something", () => {
  assert.match(faults([asked("a", { value: 1 }, { fails: true })], ["a"]), /was to fail/);
  assert.match(faults([asked("a", asAsked, { fails: true })], ["a"]), /was to run 0 times/);
  assert.match(faults([asked("a", asAsked)], []), /failed, though/);
});

test("a numbered one may fail only over a crash, and then run once at most", () => {
  const crashes = [{ at: 15, back: 18 }];
  assert.match(faults([asked("a", unknown)], []), /failed, though the store kept its data/);
  assert.equal(faults([asked("a", unknown)], [], crashes), "");
  assert.equal(faults([asked("a", unknown)], ["a"], crashes), "");
  assert.match(faults([asked("a", unknown)], ["a", "a"], crashes), /was to run 0 to 1 times/);
  assert.match(faults([asked("a", none)], [], crashes), /failed, though/);
});

test("what was answered within the last second before a crash may be lost, and nothing else", () => {
  const crashes = [{ at: 5_000, back: 6_000 }];
  assert.equal(faults([asked("a", { value: 1 }, { ended: 4_500 })], [], crashes), "");
  assert.match(faults([asked("a", { value: 1 }, { ended: 3_900 })], [], crashes), /was to run 1 times/);
  assert.match(faults([asked("a", { value: 1 }, { ended: 6_100 })], [], crashes), /was to run 1 times/);
});

test("what is sent once runs once at most, and not if it was not sent", () => {
  const send = (value) => asked("a", { value }, { way: "send" });
  assert.equal(faults([send(true)], []), "");
  assert.equal(faults([send(true)], ["a"]), "");
  assert.match(faults([send(false)], ["a"]), /was to run 0 times/);
  assert.match(faults([send(true)], ["a", "a"]), /was to run 0 to 1/);
});

test("a request without a number says whether it ran", () => {
  const request = (result) => asked("a", result, { way: "request" });
  assert.equal(faults([request(unknown)], ["a"]), "");
  assert.match(faults([request(none)], ["a"]), /was to run 0 times/);
  assert.match(faults([request({ error: { code: "disconnected" } })], []), /without saying whether it ran/);
});

test("numbered ones run in the order in which they were asked for", () => {
  const list = [asked("a", { value: 2 }), asked("b", { value: 1 })];
  assert.match(faults(list, ["b", "a"]), /b ran before a/);
});
