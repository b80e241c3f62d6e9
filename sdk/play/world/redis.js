// A Redis server that keeps what it has answered, also when it is killed.

import { freePort } from "./ports.js";
import { Program } from "./program.js";

export class Redis {
  #args;
  #cwd;
  #program;
  port;

  static async start(cwd) {
    const redis = new Redis();
    redis.port = await freePort();
    redis.#cwd = cwd;
    redis.#args = ["--port", redis.port, "--bind", "127.0.0.1", "--dir", cwd, "--save", "", "--appendonly", "yes", "--appendfsync", "always",
      "--busy-reply-threshold", 300];
    await redis.start();
    return redis;
  }

  async start() {
    this.#program = await Program.start("redis-server", this.#args, { cwd: this.#cwd, env: process.env, ready: /Ready to accept connections/ });
  }

  async kill() {
    await this.#program.kill();
  }
}
