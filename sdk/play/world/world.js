// The servers of one play, in a folder that goes when they do.

import { rmSync } from "node:fs";
import { cp, mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Node } from "./node.js";
import { Redis } from "./redis.js";

const STOCK = fileURLToPath(new URL("../../../scripts", import.meta.url));
const OWN = fileURLToPath(new URL("../scripts", import.meta.url));

/** Folders that go also when a play is ended from outside. */
const open = new Set();
process.on("exit", () => open.forEach((folder) => rmSync(folder, { recursive: true, force: true })));

export class World {
  #folder;
  nodes = [];
  redis = null;

  /** One node, with its state in the process and a file. */
  static async embedded() {
    return World.#open(async (world) => {
      world.nodes.push(await world.#node("node", { "--state-file": "state.db" }));
    });
  }

  /** Two nodes that share a Redis. */
  static async onRedis() {
    return World.#open(async (world) => {
      world.redis = await Redis.start(await world.#subfolder("redis"));
      const flags = { "--redis-addr": `127.0.0.1:${world.redis.port}` };
      for (const name of ["a", "b"]) world.nodes.push(await world.#node(name, flags));
    });
  }

  static async #open(start) {
    const world = new World();
    world.#folder = await mkdtemp(join(tmpdir(), "godra-play-"));
    open.add(world.#folder);
    try {
      await cp(STOCK, join(world.#folder, "scripts"), { recursive: true });
      await cp(OWN, join(world.#folder, "scripts"), { recursive: true });
      await start(world);
    } catch (error) {
      await world.close();
      throw error;
    }
    return world;
  }

  async close() {
    await Promise.all([...this.nodes, this.redis].map((program) => program?.kill()));
    await rm(this.#folder, { recursive: true, force: true });
    open.delete(this.#folder);
  }

  async #node(name, flags) {
    return Node.start(await this.#subfolder(name), { "--scripts-dir": join(this.#folder, "scripts"), "--db-dsn": "game.db", ...flags });
  }

  async #subfolder(name) {
    const folder = join(this.#folder, name);
    await mkdir(folder);
    return folder;
  }
}
