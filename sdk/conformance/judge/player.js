// Plays one scenario.

import { clientSteps } from "./client-steps.js";
import { commonSteps } from "./common-steps.js";
import { goesOnStep } from "./goes-on.js";
import { httpSteps } from "./http-steps.js";
import { serverSteps } from "./server-steps.js";
import { DriverDied, Stage } from "./stage.js";
import { upgradeSteps } from "./upgrade-steps.js";
import { fill, login } from "./values.js";

export const STEPS = { ...clientSteps, ...httpSteps, ...serverSteps, ...upgradeSteps, ...commonSteps, ...goesOnStep };

/** What servers say to everyone, unless the scenario says otherwise. */
const ROUTES = {
  "POST /guest-login": () => ({ body: login() }),
  "POST /logout": () => ({ status: 204, body: "" }),
  "POST /api/rpc": () => ({ body: { result: "OK" } }),
  "GET /ready": () => ({ body: "ready" }),
};

/** Throws an Error that names the step that went wrong. */
export async function play(scenario, driver) {
  const stage = await Stage.open(driver);
  for (const [route, answer] of Object.entries(ROUTES)) stage.server.routes.set(route, answer);
  try {
    if (!scenario.manual) await stage.newClient("c", { options: fillFor(stage, scenario.options ?? {}) });
    for (const [index, step] of scenario.steps.entries()) await playStep(stage, step, `step ${index + 1}`);
    if (!driver.end) await stage.close();
  } catch (error) {
    // What is left of it must not disturb others; why it failed is told already.
    if (!driver.end) await stage.close().catch(() => driver.kill());
    else if (!scenario.steps.some(({ exit }) => exit !== undefined)) throw new DriverDied(driver.end);
    throw error;
  } finally {
    await stage.server.stop();
  }
}

async function playStep(stage, raw, at) {
  const name = stepOf(raw);
  try {
    await STEPS[name](stage, name === "repeat" ? raw : fillFor(stage, raw), (inner) => playStep(stage, inner, name));
  } catch (error) {
    error.message = `${at} ${shortened(raw)}: ${error.message}`;
    throw error;
  }
}

/** The first of a step's fields that is the name of one. */
export function stepOf(raw) {
  const name = Object.keys(raw).find((key) => Object.hasOwn(STEPS, key));
  if (!name) throw new Error(`there is no such step: ${shortened(raw)}`);
  return name;
}

function fillFor(stage, value) {
  return fill(value, { names: stage.names, url: stage.server.url });
}

function shortened(raw) {
  const text = JSON.stringify(raw);
  return text.length > 200 ? `${text.slice(0, 200)}…` : text;
}
