// The scenarios as they stand in files: read, and looked over for mistakes.

import { readFileSync, readdirSync } from "node:fs";
import { stepOf } from "./player.js";

const FOLDER = new URL("../scenarios/", import.meta.url);
const FIELDS = ["name", "about", "rules", "needs", "without", "options", "manual", "alone", "steps"];

/** In the order of the files' names: `{group, order, name, about, rules, needs, …}`. */
export function loadScenarios(folder = FOLDER) {
  const files = readdirSync(folder).filter((file) => file.endsWith(".json")).sort();
  const all = files.flatMap((file, order) => {
    const group = file.replace(/^\d+-|\.json$/g, "");
    return JSON.parse(readFileSync(new URL(file, folder))).map((scenario) => checked({ needs: [], without: [], ...scenario, group, order }, file));
  });
  const names = all.map(({ name }) => name);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice) throw new Error(`two scenarios are called ${twice}`);
  return all;
}

function checked(scenario, file) {
  const { name, steps } = scenario;
  const where = `${file}, ${name ?? "a scenario without a name"}`;
  const odd = Object.keys(scenario).find((field) => !["group", "order", ...FIELDS].includes(field));
  if (odd) throw new Error(`${where}: a scenario has no field "${odd}", but ${FIELDS.join(", ")}`);
  if (!/^[a-z0-9_]+\.[a-z0-9_]+$/.test(name)) throw new Error(`${where}: a name is GROUP.WHAT, in small letters`);
  if (!Array.isArray(steps) || steps.length === 0) throw new Error(`${where}: there are no steps`);
  checkSteps(steps, where);
  return scenario;
}

function checkSteps(steps, where) {
  for (const step of steps) {
    try {
      if (stepOf(step) === "repeat") checkSteps(step.steps, where);
    } catch (error) {
      throw new Error(`${where}: ${error.message}`);
    }
  }
}

/** Why the SDK cannot play it; null if it can. */
export function reasonToSkip({ needs, without }, hello) {
  const missing = needs.find((capability) => !hello.can.includes(capability));
  if (missing) return hello.why?.[missing] ?? `cannot: ${missing}`;
  const spare = without.find((capability) => hello.can.includes(capability));
  return spare ? (hello.why?.[spare] ?? `only for SDKs that cannot: ${spare}`) : null;
}
