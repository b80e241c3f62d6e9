// The command line of `prove`.

import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { buildWith } from "./faulty-sdk.js";
import { loadScenarios } from "./scenarios.js";
import { playAll } from "./suite.js";

const SIDE_BY_SIDE = 4;
const DRIVER = fileURLToPath(new URL("../drivers/js/run", import.meta.url));
const INSTALL = fileURLToPath(new URL("../drivers/js/install", import.meta.url));
const FAULTS = JSON.parse(readFileSync(new URL("../faults.json", import.meta.url)));

const only = process.argv.slice(2);
const unknown = only.find((name) => !FAULTS.some((fault) => fault.name === name));
if (unknown) {
  console.error(`there is no fault ${unknown}, but ${FAULTS.map(({ name }) => name).join(", ")}`);
  process.exit(2);
}
const faults = FAULTS.filter(({ name }) => only.length === 0 || only.includes(name));
const all = new Map(loadScenarios().map((scenario) => [scenario.name, scenario]));
execFileSync(INSTALL, { stdio: ["ignore", "inherit", "inherit"] });
const folder = await mkdtemp(join(tmpdir(), "godra-faults-"));
try {
  await main();
} finally {
  await rm(folder, { recursive: true });
}

async function main() {
  const results = [await outcomeOf({ name: "none", about: "The SDK as it is", found_by: meant(faults), edits: [] })];
  const waiting = [...faults];
  const lane = async () => {
    for (let next = waiting.shift(); next; next = waiting.shift()) results.push(await outcomeOf(next));
  };
  await Promise.all(Array.from({ length: SIDE_BY_SIDE }, lane));
  const failed = results.filter((isProven) => !isProven).length;
  console.log(`${results.length - failed} passed, ${failed} failed`);
  process.exitCode = failed === 0 ? 0 : 1;
}

/** Whether all scenarios that are meant for the fault fail; without a fault they have to pass. */
async function outcomeOf(fault) {
  const report = (isProven, why) => {
    console.log(`${isProven ? "passed" : "failed"}  ${fault.name}: ${why}`);
    return isProven;
  };
  try {
    const passed = await passedWith(fault);
    const isSound = fault.edits.length === 0;
    const odd = fault.found_by.filter((name) => passed.includes(name) !== isSound);
    if (odd.length === 0) return report(true, isSound ? "all scenarios that are meant for faults pass" : `found by ${fault.found_by.join(", ")}`);
    return report(false, isSound ? `without a fault these fail: ${odd.join(", ")}` : `${fault.about}, but ${odd.join(", ")} did not fail`);
  } catch (error) {
    return report(false, error.message);
  }
}

async function passedWith(fault) {
  const built = join(folder, fault.name);
  await buildWith(fault.edits, built);
  const scenarios = fault.found_by.map((name) => all.get(name) ?? missing(name));
  const { results } = await playAll(scenarios, DRIVER, { env: { GODRA_JS: built } });
  const skipped = results.find(({ outcome }) => outcome === "skipped");
  if (skipped) throw new Error(`${skipped.scenario.name} was skipped`);
  return results.filter(({ outcome }) => outcome === "passed").map(({ scenario }) => scenario.name);
}

function meant(list) {
  return [...new Set(list.flatMap(({ found_by }) => found_by))];
}

function missing(name) {
  throw new Error(`there is no scenario ${name}`);
}
