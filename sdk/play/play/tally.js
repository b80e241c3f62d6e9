// Counts what held and what did not, and prints it as it comes.

export class Tally {
  passed = 0;
  failed = 0;

  /** Runs the check, which gives a list of faults or throws; says whether all is well. */
  async check(what, run) {
    const began = performance.now();
    let faults;
    try {
      faults = (await run()) ?? [];
    } catch (error) {
      faults = [error.message];
    }
    const isWell = faults.length === 0;
    if (isWell) this.passed += 1;
    else this.failed += 1;
    console.log(`${isWell ? "passed" : "failed"} ${what} (${Math.round(performance.now() - began)} ms)`);
    for (const fault of faults.slice(0, MOST_SHOWN)) console.log(`       ${fault}`);
    if (faults.length > MOST_SHOWN) console.log(`       … and ${faults.length - MOST_SHOWN} more`);
    return isWell;
  }

  /** `run(check)`, whose checks are told under that name. What fails between them fails, too. */
  async group(name, run) {
    const check = (what, one) => this.check(`${name}: ${what}`, one);
    await run(check).catch((error) => this.check(name, () => [error.stack]));
  }
}

const MOST_SHOWN = 8;
