// What the scenarios say of themselves is true, and nothing is left out without a reason.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { loadScenarios, reasonToSkip } from "../judge/scenarios.js";

const scenarios = loadScenarios();
const text = (path) => readFileSync(new URL(path, import.meta.url), "utf8");
const rules = [...text("../../PROTOCOL.md").matchAll(/^- \*\*(R-[A-Z]+-\d+)\*\*/gm)].map(([, id]) => id);
const untested = JSON.parse(text("../untested.json"));
const capabilities = [...text("../DRIVER.md").split("## Capabilities")[1].split("##")[0].matchAll(/`(\w+)`/g)].map(([, name]) => name);

test("each rule that a scenario names is one of the protocol's", () => {
  assert.ok(rules.length > 100);
  for (const scenario of scenarios) for (const id of scenario.rules) assert.ok(rules.includes(id), `${scenario.name} names ${id}`);
});

test("each rule for clients is named by a scenario, or left out for a reason", () => {
  const named = new Set(scenarios.flatMap((scenario) => scenario.rules));
  for (const id of rules) assert.ok(named.has(id) !== Object.hasOwn(untested, id), `${id} is neither tested nor left out, or both`);
  for (const id of Object.keys(untested)) assert.ok(rules.includes(id), `${id} is left out, but is no rule`);
});

test("each scenario names a rule, and is named after its file", () => {
  for (const { name, group, rules: named, about } of scenarios) {
    assert.ok(named.length > 0, `${name} names no rule`);
    assert.ok(about.length > 10, `${name} does not say what it is about`);
    assert.equal(name.split(".")[0], group);
  }
});

test("each capability that a scenario asks for is one that drivers can have", () => {
  for (const { name, needs, without } of scenarios) {
    for (const capability of [...needs, ...without]) assert.ok(capabilities.includes(capability), `${name} asks for ${capability}`);
  }
});

test("who cannot play a scenario skips it, and says why", () => {
  const hello = { can: ["wake"], why: { tabs: "there are no tabs" } };
  const scenario = (more) => ({ needs: [], without: [], ...more });
  assert.equal(reasonToSkip(scenario({ needs: ["wake"] }), hello), null);
  assert.equal(reasonToSkip(scenario({ needs: ["cancel"] }), hello), "cannot: cancel");
  assert.equal(reasonToSkip(scenario({ needs: ["tabs"] }), hello), "there are no tabs");
  assert.match(reasonToSkip(scenario({ without: ["wake"] }), hello), /wake/);
});
