// Plays scenarios with one SDK's driver, several side by side.

import { Driver } from "./driver.js";
import { play } from "./player.js";
import { reasonToSkip } from "./scenarios.js";
import { DriverDied } from "./stage.js";

const SIDE_BY_SIDE = 6;
/** So many drivers that end in a row, with no scenario passed between, are no matter of scenarios. */
const MOST_DEATHS = 5;

/** Gives `{hello, results: [{scenario, outcome: "passed" | "failed" | "skipped", why, ms}]}`; `tell(result)` for each. */
export async function playAll(scenarios, command, { tell = () => {}, sideBySide = SIDE_BY_SIDE, env } = {}) {
  const suite = new Suite(() => Driver.start(command, env), tell);
  await suite.play(scenarios, sideBySide);
  return { hello: suite.hello, results: suite.results };
}

class Suite {
  #start;
  #tell;
  #driver = null;
  #starting = null;
  #deaths = 0;
  hello = null;
  results = [];

  constructor(start, tell) {
    this.#start = start;
    this.#tell = tell;
  }

  async play(scenarios, sideBySide) {
    this.#driver = await this.#start();
    this.hello = this.#driver.hello;
    const able = scenarios.filter((scenario) => !this.#skips(scenario));
    const together = able.filter((scenario) => !scenario.alone);
    // Those that a dying driver took along are played again by themselves: only one of them killed it.
    const again = [];
    const lane = async () => {
      for (let next = together.shift(); next; next = together.shift()) await this.#play(next, again);
    };
    await Promise.all(Array.from({ length: sideBySide }, lane));
    for (const scenario of [...again, ...able.filter(({ alone }) => alone)]) await this.#play(scenario, null);
    await (await this.#living()).exit();
  }

  #skips(scenario) {
    const why = reasonToSkip(scenario, this.hello);
    if (why) this.#add({ scenario, outcome: "skipped", why, ms: 0 });
    return why !== null;
  }

  async #play(scenario, again) {
    if (this.#deaths >= MOST_DEATHS) return this.#add({ scenario, outcome: "failed", why: "the driver does not live for long enough", ms: 0 });
    const driver = await this.#living();
    const began = performance.now();
    const result = (outcome, why) => this.#add({ scenario, outcome, why, ms: Math.round(performance.now() - began) });
    try {
      await play(scenario, driver);
      this.#deaths = 0;
      result("passed");
    } catch (error) {
      if (error instanceof DriverDied && again) again.push(scenario);
      else result("failed", error instanceof DriverDied ? `${error.message}\n${driver.output}` : error.message);
    }
  }

  /** One driver for all lanes; another one after its end. */
  async #living() {
    if (!this.#driver) return this.#starting;
    if (!this.#driver.end) return this.#driver;
    this.#driver = null;
    this.#deaths += 1;
    this.#starting = this.#start().then((driver) => (this.#driver = driver));
    return this.#starting;
  }

  #add(result) {
    this.results.push(result);
    this.#tell(result);
  }
}
