// The command line.

import { existsSync, readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { writeMatrix } from "./matrix.js";
import { loadScenarios } from "./scenarios.js";
import { playAll } from "./suite.js";

const DRIVERS = new URL("../drivers/", import.meta.url);
const USAGE = "usage: run SDK… [--only TEXT]… [--list] [--serial] [--write-matrix FILE]";

const { values, positionals } = read();
const scenarios = chosen(loadScenarios(), values.only);
if (values.list) for (const { name, about } of scenarios) console.log(`${name}  ${about}`);
else await main().catch((error) => stop(error.message));

async function main() {
  if (positionals.length === 0) stop(`${USAGE}\nThere are drivers of ${names().join(", ")}.`);
  if (values["write-matrix"] && values.only) stop("a matrix tells of all scenarios: --write-matrix goes without --only");
  let passed = 0;
  let failed = 0;
  const runs = [];
  for (const sdk of positionals) {
    const run = await playWith(sdk);
    runs.push(run);
    const { results } = run;
    passed += results.filter(({ outcome }) => outcome === "passed").length;
    failed += results.filter(({ outcome }) => outcome === "failed").length;
  }
  if (values["write-matrix"]) writeMatrix(values["write-matrix"], runs);
  console.log(`${passed} passed, ${failed} failed`);
  process.exitCode = failed === 0 && passed > 0 ? 0 : 1;
}

async function playWith(sdk) {
  console.log(`=== ${sdk}`);
  const began = performance.now();
  const options = { tell: tellResult, sideBySide: values.serial ? 1 : undefined };
  const { hello, results } = await playAll(scenarios, programOf(sdk), options);
  const count = (outcome) => results.filter((result) => result.outcome === outcome).length;
  const seconds = ((performance.now() - began) / 1000).toFixed(1);
  console.log(`${hello.sdk} ${hello.version} on ${hello.platform}: ${count("passed")} passed, ${count("failed")} failed, ${count("skipped")} skipped in ${seconds} s`);
  return { hello, results };
}

function tellResult({ scenario, outcome, why, ms }) {
  const reason = why ? `: ${why}` : "";
  console.log(`${outcome.padEnd(7)} ${scenario.name} (${ms} ms)${reason}`);
}

function chosen(all, only = []) {
  const found = only.length === 0 ? all : all.filter(({ name }) => only.some((text) => name.includes(text)));
  if (found.length === 0) stop(`no scenario's name holds ${only.join(" or ")}`);
  return found;
}

function programOf(sdk) {
  const program = fileURLToPath(new URL(`${sdk}/run`, DRIVERS));
  if (!existsSync(program)) stop(`there is no driver ${program}; there are those of ${names().join(", ")}`);
  return program;
}

function names() {
  return readdirSync(DRIVERS);
}

function read() {
  try {
    const options = { only: { type: "string", multiple: true }, list: { type: "boolean" }, serial: { type: "boolean" }, "write-matrix": { type: "string" } };
    return parseArgs({ options, allowPositionals: true });
  } catch (error) {
    return stop(`${error.message}\n${USAGE}`);
  }
}

function stop(why) {
  console.error(why);
  process.exit(2);
}
