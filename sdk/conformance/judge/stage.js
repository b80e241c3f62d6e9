// Where one scenario is played: its server, its clients behind the driver, and what steps have taken so far.

import { Queue } from "./queue.js";
import { ScriptedServer } from "./server.js";

/** So long a step waits if it does not say otherwise: machines that run tests are busy, most of all with browsers. */
export const PATIENCE_MS = Number(process.env.GODRA_CONFORMANCE_PATIENCE_MS ?? 10_000);

/** Small times, so that scenarios take little of it. What a scenario sets goes before; `null` leaves the SDK's default. */
const OPTIONS = {
  first_delay_ms: 40,
  max_delay_ms: 160,
  heartbeat_ms: 0,
  request_timeout_ms: PATIENCE_MS,
  connect_timeout_ms: PATIENCE_MS,
};

const DROP_MS = 5_000;
let stages = 0;

export class Stage {
  #prefix = `${(stages += 1)}`;
  #commands = 0;
  #clients = new Map();
  #running = new Map();
  /** What steps took under a name: messages of clients, values. */
  names = new Map();
  /** Accepted peers by name; `null` names the latest. */
  peers = new Map();
  /** When the server last did something that a client may answer with an attempt. */
  mark = performance.now();
  loggedIn = new Set();
  collected = new Map();

  static async open(driver) {
    const stage = new Stage();
    stage.driver = driver;
    stage.server = await ScriptedServer.start();
    return stage;
  }

  /** Names of clients and stores are those of this scenario alone. */
  own(name) {
    return `${this.#prefix}/${name}`;
  }

  get clients() {
    return [...this.#clients.values()];
  }

  async newClient(client, { url = this.server.url, options = {} }) {
    const seen = new Queue();
    const id = this.#nextId();
    this.#clients.set(client, { client, id, seen });
    this.driver.listen(id, (report) => seen.put(report));
    const all = Object.entries({ ...OPTIONS, ...options }).filter(([, value]) => value !== null);
    const given = Object.fromEntries(all);
    if (given.store) given.store = this.own(given.store);
    await this.result(this.driver.run({ id, do: "new", client: this.own(client), url, options: given }), PATIENCE_MS, "new");
  }

  /** What a game sees of that client. */
  seenBy(client = "c") {
    const found = this.#clients.get(client);
    if (!found) throw new Error(`there is no client "${client}"`);
    return found.seen;
  }

  /** Gives the queue of its result. */
  command(command, as) {
    const id = this.#nextId();
    const results = this.driver.run({ ...this.#owned(command), id });
    if (as) this.#running.set(as, { id, results, what: command.do });
    return results;
  }

  running(as) {
    const found = this.#running.get(as);
    if (!found) throw new Error(`no command before this one is called "${as}"`);
    return found;
  }

  /** `{value}` or `{error}`. */
  async result(results, ms, what) {
    const result = await results.take(ms, `result of ${what}`);
    if (result.died) throw new DriverDied(result.died);
    return result;
  }

  peer(name = null) {
    const peer = this.peers.get(name);
    if (!peer) throw new Error(name ? `there is no peer "${name}"` : "no connection has been accepted yet");
    return peer;
  }

  /** Nothing of this scenario is to be left for others. */
  async close() {
    for (const { client, id } of this.clients) {
      const dropped = this.driver.run({ id: this.#nextId(), do: "drop", client: this.own(client) });
      await this.result(dropped, DROP_MS, "drop");
      this.driver.forget(id);
    }
  }

  #owned({ client, then, target, ...command }) {
    const owned = { ...command, client: this.own(client ?? "c") };
    if (then) owned.then = this.#owned({ client, ...then });
    if (target) owned.target = this.running(target).id;
    return owned;
  }

  #nextId() {
    this.#commands += 1;
    return `${this.#prefix}#${this.#commands}`;
  }
}

/** The driver's process is gone: no word about the scenario that is played, but about one of those that are. */
export class DriverDied extends Error {
  constructor(how) {
    super(`the driver ${how}`);
  }
}
