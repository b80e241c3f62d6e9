// The command line.

import { existsSync, readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { Driver } from "../conformance/judge/driver.js";
import { play } from "./play/play.js";
import { Tally } from "./play/tally.js";
import { World } from "./world/world.js";

const DRIVERS = new URL("../conformance/drivers/", import.meta.url);
const USAGE = "usage: run SDK…";

/** Players of one SDK in a room of their own, and of each in the room of all. */
const ALONE = 3;
const TOGETHER = 2;
const TURN_MS = 60;
/** Everybody hears everybody: of more players each does less. */
const TOGETHER_TURN_MS = 120;

const WORLDS = { "embedded store": World.embedded, "two nodes on Redis": World.onRedis };

const { sdks } = read();
const tally = new Tally();
const drivers = await startAll();
if (tally.failed === 0) await playAll();
for (const { sdk, driver } of drivers) await tally.check(`${sdk}: the program ends when it is told to`, () => exitFaults(driver));
console.log(`${tally.passed} passed, ${tally.failed} failed`);
process.exit(tally.failed === 0 ? 0 : 1);

/** Each SDK by itself, side by side; then all of them in one room. */
async function playAll() {
  await Promise.all(drivers.map((own) => inAllWorlds(own.sdk, Array(ALONE).fill(own), TURN_MS)));
  if (drivers.length < 2) return;
  const everybody = drivers.flatMap((own) => Array(TOGETHER).fill(own));
  await inAllWorlds(sdks.join(" + "), everybody, TOGETHER_TURN_MS);
}

async function inAllWorlds(who, cast, turnMs) {
  for (const [where, openWorld] of Object.entries(WORLDS)) {
    const title = `${who}, ${where}`;
    await tally.guard(title, () => play({ title, openWorld, cast, turnMs, tally }));
  }
}

/** One program for each SDK. One that cannot be started is a failure. */
async function startAll() {
  const started = await Promise.all(
    sdks.map(async (sdk) => {
      let driver = null;
      await tally.check(`${sdk}: the driver starts`, async () => {
        driver = await Driver.start(programOf(sdk));
        if (!driver.hello.can.includes("reducers")) throw new Error("it cannot keep a lobby's state: its hello does not name reducers");
      });
      return { sdk, driver };
    }),
  );
  return started.filter(({ driver }) => driver);
}

async function exitFaults(driver) {
  const how = await driver.exit();
  return how === "ended with code 0" ? [] : [`it ${how}\n${driver.output}`];
}

function read() {
  try {
    const { positionals } = parseArgs({ allowPositionals: true });
    if (positionals.length === 0) stop(`${USAGE}\nThere are drivers of ${names().join(", ")}.`);
    return { sdks: positionals };
  } catch (error) {
    return stop(`${error.message}\n${USAGE}`);
  }
}

function programOf(sdk) {
  const program = fileURLToPath(new URL(`${sdk}/run`, DRIVERS));
  if (!existsSync(program)) throw new Error(`there is no driver ${program}; there are those of ${names().join(", ")}`);
  return program;
}

function names() {
  return readdirSync(DRIVERS);
}

function stop(why) {
  console.error(why);
  process.exit(2);
}
