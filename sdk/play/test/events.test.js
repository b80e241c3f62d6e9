import assert from "node:assert/strict";
import { test } from "node:test";
import { eventFaults } from "../checks/events.js";

const said = (seq, message) => ({ event: "message", type: "chat", payload: { message }, seq });
const marked = (seq, user) => ({ event: "message", type: "marked", payload: { user_id: user, mark: `${seq}` }, seq });
const yours = (seq) => ({ event: "message", type: "yours", payload: { mark: `${seq - 1}` }, seq });
const connected = (seq, { epoch = "e1", recovered = false } = {}) => ({ event: "connected", epoch, seq, recovered });
const player = (name, ...reports) => ({ name, userId: name, reports });
const faults = (...players) => eventFaults(players).join("\n");

test("all is well when everybody sees everything that is for them", () => {
  const ann = player("ann", connected(0), said(1, "a"), marked(2, "ann"), yours(3), said(4, "b"), said(5, "c"));
  const ben = player("ben", connected(1), marked(2, "ann"), said(4, "b"), connected(4, { recovered: true }), said(5, "c"));
  assert.equal(faults(ann, ben), "");
});

test("an event that somebody did not get", () => {
  const ann = player("ann", connected(0), said(1, "a"), said(2, "b"), said(3, "c"));
  const ben = player("ben", connected(0), said(1, "a"), said(3, "c"));
  assert.match(faults(ann, ben), /^ben missed e1\/2.*"b"/);
});

test("an event of one's own that did not come", () => {
  const ann = player("ann", connected(0), marked(1, "ann"), said(3, "a"));
  const ben = player("ben", connected(0), marked(1, "ann"), said(3, "a"));
  assert.match(faults(ann, ben), /^ann missed e1\/2/);
});

test("an event of one's own that did not come at the end", () => {
  const ann = player("ann", connected(0), said(1, "a"), marked(2, "ann"));
  const ben = player("ben", connected(0), said(1, "a"), marked(2, "ann"), said(4, "c"));
  assert.match(faults(ann, ben), /ann ended at e1\/2, before .* at 3\nann ended at e1\/2, before .*"c".* at 4/);
});

test("an event that came twice, or out of order", () => {
  const ann = player("ann", connected(0), said(1, "a"), said(1, "a"), said(2, "b"));
  assert.match(faults(ann), /^ann was at 1 already/);
  assert.match(faults(player("ben", connected(0), said(2, "b"), said(1, "a"))), /ben missed e1\/1.*\nben was at 2 already/);
});

test("one that came again under another number", () => {
  assert.match(faults(player("ann", connected(0), said(1, "a"), said(2, "a"))), /at e1\/2, and it was at e1\/1 already/);
});

test("one number for two events", () => {
  const ann = player("ann", connected(0), said(1, "a"));
  const ben = player("ben", connected(0), said(1, "b"));
  assert.match(faults(ann, ben), /^ben saw .*"b".* at e1\/1, where another saw .*"a"/);
});

test("a return that lost what had happened, in the same epoch", () => {
  const ann = player("ann", connected(0), said(1, "a"), connected(2), said(3, "c"));
  assert.match(faults(ann), /^ann was not recovered at e1\/1/);
});

test("a return that says it lost nothing, and did", () => {
  const ann = player("ann", connected(0), said(1, "a"), said(2, "b"));
  const ben = player("ben", connected(0), said(1, "a"), connected(2, { recovered: true }));
  assert.match(faults(ann, ben), /^ben missed e1\/2/);
});

test("a return to a place in another epoch, or behind one's own", () => {
  assert.match(faults(player("ann", connected(0), connected(0, { epoch: "e2", recovered: true }))), /recovered elsewhere/);
  assert.match(faults(player("ann", connected(0), said(1, "a"), connected(0, { recovered: true }))), /recovered elsewhere/);
});

test("a snapshot, and the state in another epoch, take the place of what was missed", () => {
  const snapshot = { event: "snapshot", seq: 9 };
  const ann = player("ann", connected(0), said(1, "a"), snapshot, said(10, "b"), connected(2, { epoch: "e2" }), said(3, "c"));
  assert.equal(faults(ann), "");
});

test("who stayed in another epoch", () => {
  const ann = player("ann", connected(0, { epoch: "e2" }), said(1, "a"));
  assert.match(faults(ann, player("ben", connected(0))), /ben ended in the epoch e1/);
});
