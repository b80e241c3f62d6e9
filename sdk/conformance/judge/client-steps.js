// Steps about what a client is told to do, and what its game sees of it.

import { match, matches } from "./match.js";
import { PATIENCE_MS } from "./stage.js";

const POLL_MS = 20;
/** Fields of a step that are not the command's. */
const OWN_FIELDS = ["as", "value", "until", "error", "within"];

export const clientSteps = {
  /** {"do": COMMAND, …}: waits for its success; with `as` it runs on. `until`: again and again, until its value is that. */
  async do(stage, step) {
    const command = Object.fromEntries(Object.entries(step).filter(([key]) => !OWN_FIELDS.includes(key)));
    if (command.do === "new") return stage.newClient(command.client, command);
    if (command.do.endsWith("login") || command.do === "ensure") stage.loggedIn.add(command.client ?? "c");
    if (step.as) return void stage.command(command, step.as);
    if ("until" in step) return until(stage, step, command);
    const result = await stage.result(stage.command(command), step.within ?? PATIENCE_MS, command.do);
    if (step.error) return failed(result, step.error);
    succeeded(result, step);
  },

  /** {"returns": AS, "value": …}: the command succeeds. */
  async returns(stage, step) {
    const { results, what } = stage.running(step.returns);
    succeeded(await stage.result(results, step.within ?? PATIENCE_MS, what), step);
  },

  /** {"fails": AS, "error": …} */
  async fails(stage, step) {
    const { results, what } = stage.running(step.fails);
    failed(await stage.result(results, step.within ?? PATIENCE_MS, what), step.error);
  },

  /** {"pending": AS}: the command has not come to an end yet. */
  async pending(stage, step) {
    const [result] = stage.running(step.pending).results.waiting;
    if (result) throw new Error(`it has ended: ${JSON.stringify(result)}`);
  },

  /** {"sees": {…}, "passing": [{…}]}: the next thing that a game sees of the client, but for what may come as well. */
  async sees(stage, step) {
    const report = await nextReport(stage, step);
    match(report, step.sees, "what was seen");
    if (step.text && !report.text.includes(step.text)) throw new Error(`the report has no ${step.text}: ${report.text}`);
    if (step.as) stage.names.set(step.as, report);
    if (step.collect) {
      const [name, field] = step.collect;
      stage.collected.set(name, [...(stage.collected.get(name) ?? []), report[field]]);
    }
  },

  /** {"sees_all": [{…}, …]}: these, in whatever order. */
  async sees_all(stage, step) {
    const left = [...step.sees_all];
    while (left.length > 0) {
      const report = await stage.seenBy(step.client).take(step.within ?? PATIENCE_MS, `report like one of ${JSON.stringify(left)}`);
      const at = left.findIndex((want) => matches(report, want));
      if (at < 0) throw new Error(`what was seen is ${JSON.stringify(report)}, wanted one of ${JSON.stringify(left)}`);
      left.splice(at, 1);
    }
  },

  /** {"sees_events": {"type": …, "count": n}}: so many events with the payloads 0, 1, 2 …, and nothing else. */
  async sees_events(stage, { sees_events: { type, count }, client, within = PATIENCE_MS }) {
    const deadline = performance.now() + within;
    for (let index = 0; index < count; index += 1) {
      const report = await stage.seenBy(client).take(Math.max(1, deadline - performance.now()), `event ${index} of ${count}`);
      match(report, { event: "message", type, payload: index }, "what was seen");
    }
  },

  /** {"spread": NAME, "between": [a, b], "range": n}: what was collected lies within, and is spread over at least `range`. */
  async spread(stage, { spread, between: [low, high], range }) {
    const values = stage.collected.get(spread) ?? [];
    if (values.length === 0) throw new Error(`nothing was collected as "${spread}"`);
    for (const value of values) match(value, { $between: [low, high] }, spread);
    const found = Math.max(...values) - Math.min(...values);
    if (found < range) throw new Error(`the ${values.length} values lie within ${found}, wanted at least ${range}: ${values}`);
  },
};

async function nextReport(stage, { sees, client, passing = [], within = PATIENCE_MS }) {
  const deadline = performance.now() + within;
  for (;;) {
    const left = Math.max(1, deadline - performance.now());
    const report = await stage.seenBy(client).take(left, `report like ${JSON.stringify(sees)}`);
    if (matches(report, sees) || !passing.some((one) => matches(report, one))) return report;
  }
}

async function until(stage, step, command) {
  const deadline = performance.now() + (step.within ?? PATIENCE_MS);
  for (;;) {
    const result = await stage.result(stage.command(command), step.within ?? PATIENCE_MS, command.do);
    if (!result.error && matches(result.value, step.until)) return;
    if (performance.now() > deadline) succeeded(result, { value: step.until });
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

function succeeded(result, step) {
  if (result.error) throw new Error(`it failed: ${JSON.stringify(result.error)}`);
  if ("value" in step) match(result.value, step.value, "the value");
}

function failed(result, error) {
  if (!result.error) throw new Error(`it succeeded: ${JSON.stringify(result.value)}`);
  match(result.error, error, "the error");
}
