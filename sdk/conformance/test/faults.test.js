import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { edited } from "../judge/faulty-sdk.js";
import { loadScenarios } from "../judge/scenarios.js";

const texts = new Map([["a.js", "one two"], ["b.js", "two three $& four"]]);

test("an edit changes the one place that it is about", () => {
  assert.equal(edited(texts, { find: "three", replace: "$&" }).get("b.js"), "two $& $& four");
  assert.equal(edited(texts, { find: "one", replace: "" }).get("a.js"), " two");
  assert.equal(texts.get("a.js"), "one two");
});

test("an edit that applies nowhere, or twice, fails", () => {
  assert.throws(() => edited(texts, { find: "five", replace: "" }), /"five" 0 times, not once/);
  assert.throws(() => edited(texts, { find: "two", replace: "" }), /"two" 2 times, not once/);
});

test("each fault is meant for scenarios that there are", () => {
  const names = new Set(loadScenarios().map(({ name }) => name));
  const faults = JSON.parse(readFileSync(new URL("../faults.json", import.meta.url)));
  assert.equal(new Set(faults.map(({ name }) => name)).size, faults.length);
  for (const { name, found_by, edits } of faults) {
    assert.ok(found_by.length > 0 && edits.length > 0, `${name} has nothing to find it, or does nothing`);
    for (const scenario of found_by) assert.ok(names.has(scenario), `${name} is meant for ${scenario}, which is not there`);
  }
});
