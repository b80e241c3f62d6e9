import assert from "node:assert/strict";
import { test } from "node:test";
import { lifecycleFaults } from "../checks/lifecycle.js";

const connected = { event: "connected" };
const lost = { event: "disconnected", code: 1006, will_reconnect: true };
const end = { event: "disconnected", code: 1000, will_reconnect: false };
const trying = { event: "reconnecting", attempt: 1 };
const message = { event: "message", type: "chat" };
const faults = (...reports) => lifecycleFaults(reports, { isOver: true }).join("\n");

test("all is well", () => {
  assert.equal(faults(connected, message, lost, trying, trying, connected, message, end), "");
  assert.equal(faults(connected, lost, trying, end), "");
});

test("the end must come, once, and last", () => {
  assert.match(faults(connected, lost), /no final disconnected came/);
  assert.match(faults(connected, end, end), /heard while left/);
  assert.match(faults(connected, end, message), /heard while left/);
  assert.match(faults(connected, end, trying), /heard while left/);
});

test("a connection is lost once, and there before its events", () => {
  assert.match(faults(connected, lost, lost, connected, end), /heard while rejoining/);
  assert.match(faults(message, connected, end), /heard while joining/);
  assert.match(faults(connected, lost, message, connected, end), /heard while rejoining/);
  assert.match(faults(connected, connected, end), /heard while joined/);
});

test("nothing is unreadable, and no session ends", () => {
  assert.match(faults(connected, { event: "error", code: "bad_message" }, end), /could not read/);
  assert.match(faults(connected, { event: "session_ended" }, end), /the session ended/);
});
