// The command line.

import { existsSync, readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { Driver } from "../conformance/judge/driver.js";
import { play } from "./play/play.js";
import { quantile, restarts } from "./play/restarts.js";
import { Tally } from "./play/tally.js";
import { World } from "./world/world.js";

const DRIVERS = new URL("../conformance/drivers/", import.meta.url);
const USAGE = "usage: run SDK… [--restarts COUNT]";

/** Players of one SDK in a room of their own, and of each in the room of all. */
const ALONE = 3;
const TOGETHER = 2;
const TURN_MS = 60;
/** Everybody hears everybody: of more players each does less. */
const TOGETHER_TURN_MS = 110;

const WORLDS = { "embedded store": World.embedded, "two nodes on Redis": World.onRedis };

const { sdks, restartCount } = read();
const tally = new Tally();
const drivers = await startAll();
if (restartCount) await Promise.all(drivers.map((own) => restartWith(own)));
else await playAll();
for (const { sdk, driver } of drivers) await tally.check(`${sdk}: the program ends when it is told to`, () => exitFaults(driver));
console.log(`${tally.passed} passed, ${tally.failed} failed`);
process.exit(tally.failed === 0 ? 0 : 1);

/** Each SDK by itself, side by side; then all of them in one room. */
async function playAll() {
  await Promise.all(drivers.map((own) => inAllWorlds(own.sdk, Array(ALONE).fill(own), TURN_MS)));
  if (drivers.length < 2) return;
  const everybody = drivers.flatMap((own) => Array(TOGETHER).fill(own));
  await inAllWorlds(drivers.map(({ sdk }) => sdk).join(" + "), everybody, TOGETHER_TURN_MS);
}

async function inAllWorlds(who, cast, turnMs) {
  const plays = Object.entries(WORLDS).map(([where, openWorld]) =>
    tally.group(`${who}, ${where}`, (check) => play({ openWorld, cast, turnMs, check })),
  );
  await Promise.all(plays);
}

async function restartWith({ sdk, driver }) {
  await tally.group(sdk, async (check) => {
    const { returns, marks } = await restarts({ count: restartCount, sdk, driver, check });
    const [median, p95, most] = [0.5, 0.95, 1].map((part) => quantile(returns, part));
    const { hello } = driver;
    console.log(
      `${hello.sdk} ${hello.version} on ${hello.platform}: ${returns.length} returns in ${restartCount} restarts, ` +
        `median ${median} ms, p95 ${p95} ms, longest ${most} ms after the server's; ${marks} numbered requests`,
    );
  });
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
    const { values, positionals } = parseArgs({ options: { restarts: { type: "string" } }, allowPositionals: true });
    if (positionals.length === 0) stop(`${USAGE}\nThere are drivers of ${names().join(", ")}.`);
    const count = Number(values.restarts ?? 0);
    if (!(Number.isInteger(count) && (values.restarts === undefined || count > 0))) stop(`--restarts takes a whole number from 1\n${USAGE}`);
    return { sdks: positionals, restartCount: count };
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
