// Starts the real server for a test: on a free port, in a folder of its own, with the repository's scripts.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, statSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const REPOSITORY = fileURLToPath(new URL("../../../", import.meta.url));
const START_LIMIT_MS = 15_000;

/** Tokens outlive a restart with a fixed secret. */
const SECRET = "only for tests: thirty-two bytes and more";

export class GodraServer {
  #process;
  #folder;
  #args;
  #scripts;
  /** All that it printed, for the message of a test that fails. */
  output = "";

  static async start({ port = 0, args = [], scripts = join(REPOSITORY, "scripts") } = {}) {
    const server = new GodraServer();
    server.#folder = await mkdtemp(join(tmpdir(), "godra-test-"));
    server.#args = args;
    server.#scripts = scripts;
    await server.#start(port);
    return server;
  }

  async #start(port) {
    this.output = "";
    const flags = {
      "--host": "127.0.0.1",
      "--port": port,
      "--scripts-dir": this.#scripts,
      "--db-dsn": join(this.#folder, "game.db"),
      "--jwt-secret": SECRET,
    };
    this.#process = spawn(binary(), [...Object.entries(flags).flat().map(String), ...this.#args], {
      cwd: this.#folder,
      env: { PATH: process.env.PATH, RUST_LOG: process.env.RUST_LOG ?? "info" },
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.exited = once(this.#process, "exit").then(([code, signal]) => ({ code, signal }));
    this.port = await this.#listening();
    this.url = `http://127.0.0.1:${this.port}`;
  }

  #listening() {
    return new Promise((resolvePort, reject) => {
      const fail = (why) => reject(new Error(`the server ${why}; it printed:\n${this.output}`));
      const timer = setTimeout(() => fail(`did not listen within ${START_LIMIT_MS} ms`), START_LIMIT_MS);
      const read = (chunk) => {
        this.output += chunk;
        const found = /listening on \S*:(\d+)/.exec(this.output);
        if (!found) return;
        clearTimeout(timer);
        resolvePort(Number(found[1]));
      };
      for (const stream of [this.#process.stdout, this.#process.stderr]) stream.setEncoding("utf8").on("data", read);
      this.exited.then(({ code, signal }) => {
        clearTimeout(timer);
        fail(`ended (${signal ?? code})`);
      });
    });
  }

  /** Asks it to stop in good order; `exited` resolves when it has. */
  terminate() {
    this.#process.kill("SIGTERM");
  }

  /** Ends it at once, as a crash does. */
  async kill() {
    this.#process.kill("SIGKILL");
    await this.exited;
  }

  /** Starts it again after its end: at the same address, with the data that it had. */
  async restart() {
    await this.#start(this.port);
  }

  /** Ends it at once, and removes its folder. */
  async stop() {
    await this.kill();
    await rm(this.#folder, { recursive: true, force: true });
  }
}

function binary() {
  const built = ["release", "debug"].map((profile) => join(REPOSITORY, "target", profile, "godra"));
  const candidates = process.env.GODRA_BIN ? [resolve(process.env.GODRA_BIN)] : built;
  // Of two builds the newer one is meant.
  const age = (path) => -statSync(path).mtimeMs;
  const [found] = candidates.filter((path) => existsSync(path)).sort((a, b) => age(a) - age(b));
  if (found) return found;
  throw new Error(`no server to test: build it first (cargo build), or name it in GODRA_BIN. Looked for ${candidates.join(", ")}`);
}
