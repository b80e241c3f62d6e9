// Steps of the scripted server's HTTP.

import { match } from "./match.js";
import { PATIENCE_MS } from "./stage.js";

export const httpSteps = {
  /** {"http": {"POST /refresh": ANSWER | [ANSWER, …] | "hold"}}: answers from now on, the last of a list for all that follow. */
  async http(stage, { http }) {
    for (const [route, given] of Object.entries(http)) {
      const answers = Array.isArray(given) ? [...given] : [given];
      const next = () => (answers.length > 1 ? answers.shift() : answers[0]);
      stage.server.routes.set(route, given === "hold" ? "hold" : next);
    }
  },

  /** {"answer": "POST /refresh", "with": ANSWER, "expect": {…}}: the next call of a route on hold. */
  async answer(stage, step) {
    const held = await stage.server.held(step.answer).take(step.within ?? PATIENCE_MS, `call of ${step.answer}`);
    if (step.expect) match(held.call, step.expect, "the call");
    held.answer(step.with ?? {});
    stage.mark = performance.now();
  },

  /** {"arrives": "POST /refresh"}: a call of it is there, whether or not it has been answered. */
  async arrives(stage, { arrives, within = PATIENCE_MS }) {
    const deadline = performance.now() + within;
    while (stage.server.countOf(arrives) === 0) {
      if (performance.now() > deadline) throw new Error(`no call of ${arrives} within ${within} ms`);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  },

  /** {"calls": {"POST /refresh": 1}}: so often they have been called. */
  async calls(stage, { calls }) {
    for (const [route, count] of Object.entries(calls)) match(stage.server.countOf(route), count, `the number of calls of ${route}`);
  },

  /** {"called": "POST /refresh", "with": {…}}: the latest call of it was like this. */
  async called(stage, { called, with: want }) {
    const calls = stage.server.calls.filter(({ method, path }) => `${method} ${path}` === called);
    if (calls.length === 0) throw new Error(`${called} has not been called`);
    match(calls.at(-1), want, "the call");
  },
};
