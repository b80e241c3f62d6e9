// A driver's process, and the control channel to it (DRIVER.md).

import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:http";
import { Queue } from "./queue.js";

const POLL_MS = 20_000;
const HELLO_MS = 60_000;
const EXIT_MS = 10_000;
const KILL_MS = 3_000;
const CORS = {
  "Access-Control-Allow-Origin": "*",
  "Access-Control-Allow-Headers": "*",
  "Access-Control-Allow-Methods": "GET, POST",
  "Cross-Origin-Resource-Policy": "cross-origin",
  "Cache-Control": "no-store",
};

export class Driver {
  #control;
  #child;
  #commands = new Queue();
  #results = new Map();
  #listeners = new Map();
  #greeted;
  #ended;
  #output = "";
  hello = null;
  /** How the process ended, in words; null while it runs. */
  end = null;

  /** Starts the program `command`, with that in its environment, too, and waits for its hello. */
  static async start(command, env = {}) {
    const driver = new Driver();
    await driver.#start(command, env);
    return driver;
  }

  async #start(command, env) {
    this.#control = createServer((request, response) => this.#serve(request, response));
    this.#control.listen(0, "127.0.0.1");
    await once(this.#control, "listening");
    const greeted = new Promise((resolve) => (this.#greeted = resolve));
    this.#child = spawn(command, [], {
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, ...env, CONTROL: `http://127.0.0.1:${this.#control.address().port}/` },
    });
    for (const stream of [this.#child.stdout, this.#child.stderr]) stream.on("data", (text) => this.#says(text));
    this.#ended = new Promise((resolve) => {
      this.#child.on("error", (error) => resolve(`could not be started: ${error.message}`));
      this.#child.on("exit", (code, signal) => resolve(signal ? `was ended by ${signal}` : `ended with code ${code}`));
    }).then((how) => this.#died(how));
    await Promise.race([greeted, this.#ended, after(HELLO_MS)]);
    if (this.hello) return;
    const why = this.end ?? `said no hello within ${HELLO_MS / 1000} s`;
    await this.kill();
    throw new Error(`The driver ${command} ${why}\n${this.#output}`);
  }

  /** The last that it printed. */
  get output() {
    return this.#output;
  }

  /** Gives the command to the driver; what comes of it goes to the queue that is given back. */
  run(command) {
    const results = new Queue();
    this.#results.set(command.id, results);
    this.#commands.put(command);
    return results;
  }

  /** `callback(report)` for whatever is reported of that client. */
  listen(clientId, callback) {
    this.#listeners.set(clientId, callback);
  }

  forget(clientId) {
    this.#listeners.delete(clientId);
  }

  /** Asks it to end; says how it did: `"ended with code 0"` is well. */
  async exit(withinMs = EXIT_MS) {
    this.run({ id: "exit", do: "exit" });
    await Promise.race([this.#ended, after(withinMs)]);
    const how = this.end ?? `had not ended ${withinMs} ms after it was told to`;
    await this.kill();
    return how;
  }

  /** A driver that has programs of its own may end those first. */
  async kill() {
    if (!this.end) this.#child.kill("SIGTERM");
    await Promise.race([this.#ended, after(KILL_MS)]);
    if (!this.end) this.#child.kill("SIGKILL");
    await this.#ended;
  }

  async #serve(request, response) {
    response.on("error", () => {});
    if (request.method === "GET") return this.#giveCommand(request, response);
    if (request.method === "POST") this.#take(await bodyOf(request));
    response.writeHead(204, CORS).end();
  }

  async #giveCommand(request, response) {
    const command = await this.#commands.take(POLL_MS, "command").catch(() => null);
    if (command && request.destroyed && !response.writable) this.#commands.put(command);
    else if (command) response.writeHead(200, { "Content-Type": "application/json", ...CORS }).end(JSON.stringify(command));
    else response.writeHead(204, CORS).end();
  }

  #take(text) {
    const content = JSON.parse(text);
    for (const report of Array.isArray(content) ? content : [content]) {
      // For numbers that JavaScript cannot hold.
      Object.defineProperty(report, "text", { value: text });
      if (report.hello) {
        this.hello = report.hello;
        this.#greeted();
      } else if (report.of !== undefined) {
        this.#listeners.get(report.of)?.(report);
      } else {
        this.#results.get(report.id)?.put(report);
      }
    }
  }

  #says(text) {
    this.#output = (this.#output + text).slice(-4_000);
    if (process.env.CONFORMANCE_VERBOSE) process.stderr.write(text);
  }

  #died(how) {
    this.end = how;
    for (const results of this.#results.values()) results.put({ died: how });
    // Ends a question for a command that still waits.
    this.#commands.put(null);
    this.#control.close();
    this.#control.closeAllConnections();
  }
}

async function bodyOf(request) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

function after(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms).unref());
}
