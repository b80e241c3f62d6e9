// One process of the real server.

import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { freePort } from "./ports.js";
import { Program } from "./program.js";

const BUILT = fileURLToPath(new URL("../../../target/release/godra", import.meta.url));

/** One for all nodes, so that each takes the others' tokens. */
const SECRET = "only for plays: thirty-two bytes and more";

export class Node {
  #flags;
  #cwd;
  #program;
  port;
  /** When it last began to listen, by `performance.now()`. */
  listeningSince;

  /** In the folder `cwd`, which keeps its data over restarts. */
  static async start(cwd, flags = {}) {
    const node = new Node();
    node.port = await freePort();
    node.#cwd = cwd;
    node.#flags = { "--host": "127.0.0.1", "--port": node.port, "--jwt-secret": SECRET, ...flags };
    await node.start();
    return node;
  }

  get url() {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Again, at the same address. */
  async start() {
    const env = { PATH: process.env.PATH, RUST_LOG: "info" };
    const ready = /(\S+Z) .*listening on \S*:\d+/;
    this.#program = await Program.start(binary(), Object.entries(this.#flags).flat(), { cwd: this.#cwd, env, ready });
    // As the log says it: a busy machine reads that late.
    this.listeningSince = Date.parse(this.#program.found[1]) - performance.timeOrigin;
  }

  async stop() {
    await this.#program.stop();
  }

  async kill() {
    await this.#program.kill();
  }
}

function binary() {
  const named = process.env.GODRA_BIN && resolve(process.env.GODRA_BIN);
  const path = named ?? BUILT;
  if (existsSync(path)) return path;
  throw new Error(named ? `GODRA_BIN names ${named}, which is not there` : `there is no ${BUILT}: build it, or name another in GODRA_BIN`);
}
