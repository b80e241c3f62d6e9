// A program that a play starts, and ends in good order or not.

import { spawn } from "node:child_process";
import { once } from "node:events";

const START_LIMIT_MS = 20_000;
const STOP_LIMIT_MS = 35_000;

/** None of them outlives the play, however that ends. */
const running = new Set();
process.on("exit", () => running.forEach((child) => child.kill("SIGKILL")));
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => process.exit(1));

export class Program {
  #child;
  #exited;
  #output = "";
  found = null;

  /** Resolves as soon as it prints what `ready` finds, and keeps that in `found`. */
  static async start(command, args, { cwd, env, ready }) {
    const program = new Program();
    program.#child = spawn(command, args.map(String), { cwd, env, stdio: ["ignore", "pipe", "pipe"] });
    running.add(program.#child);
    program.#child.on("close", () => running.delete(program.#child));
    program.#exited = Promise.race([
      once(program.#child, "exit").then(([code, signal]) => signal ?? code),
      once(program.#child, "error").then(([error]) => error.message),
    ]);
    await program.#isReady(command, ready);
    return program;
  }

  /** In good order; it has to end with 0. */
  async stop() {
    this.#child.kill("SIGTERM");
    const how = await Promise.race([this.#exited, late(STOP_LIMIT_MS)]);
    if (how === 0) return;
    await this.kill();
    throw new Error(`it ended with ${how}; it printed:\n${this.#output}`);
  }

  /** As a crash does. */
  async kill() {
    this.#child.kill("SIGKILL");
    await this.#exited;
  }

  async #isReady(command, ready) {
    const printed = new Promise((resolve) => {
      const read = (text) => {
        this.#output = (this.#output + text).slice(-20_000);
        this.found ??= ready.exec(this.#output);
        if (this.found) resolve("ready");
      };
      for (const stream of [this.#child.stdout, this.#child.stderr]) stream.setEncoding("utf8").on("data", read);
    });
    const how = await Promise.race([printed, this.#exited, late(START_LIMIT_MS)]);
    if (how === "ready") return;
    this.#child.kill("SIGKILL");
    throw new Error(`${command} was not ready (${how}); it printed:\n${this.#output}`);
  }
}

function late(ms) {
  return new Promise((resolve) => setTimeout(() => resolve(`nothing within ${ms} ms`), ms).unref());
}
