// A TCP proxy that does to connections what networks do. It knows nothing of what they carry.

import { once } from "node:events";
import { connect, createServer } from "node:net";
import { Connection } from "./connection.js";
import { afterBytes, atMarker } from "./cuts.js";

const HOST = "127.0.0.1";

export class Proxy {
  #listener = null;
  #port = 0;
  #connections = new Set();
  #cuts = [];
  #isResetting = false;
  #delay = { ms: 0, jitter: 0 };
  /** The port where new connections go. Those that are open stay where they are. */
  target;
  /** Connections that clients have made. */
  accepted = 0;

  static async start(target) {
    const proxy = new Proxy();
    proxy.target = target;
    await proxy.#listen();
    return proxy;
  }

  get url() {
    return `http://${HOST}:${this.#port}`;
  }

  get open() {
    return this.#connections.size;
  }

  /** Everything takes `ms`, and up to `jitter` more, in each direction. */
  delay(ms, jitter = 0) {
    this.#delay = { ms, jitter };
  }

  /**
   * Cuts one connection, whichever fits first: after `bytes` more bytes, or at `marker` (`after`: once that has passed), of what comes
   * `from` `"server"` or `"client"`. `reset`: with a TCP reset, which may take bytes along that were on their way.
   * Resolves when it is done.
   */
  cutOnce({ from = "server", bytes, marker, after, reset }) {
    const find = marker === undefined ? afterBytes(bytes) : atMarker(marker, { after });
    return new Promise((resolve) => this.#cuts.push({ from, find, reset, done: resolve }));
  }

  /** Forgets cuts that have not happened. */
  calm() {
    this.#cuts = [];
    this.#isResetting = false;
    this.delay(0);
  }

  cutAll({ reset = false } = {}) {
    for (const connection of this.#connections) connection.cut({ reset });
  }

  /** Of the connections that are open nothing passes `from` that side any more; new ones are not concerned. Gives what ends it. */
  freeze(from = "both") {
    const frozen = [...this.#connections];
    for (const connection of frozen) connection.freeze(from);
    return () => frozen.forEach((connection) => connection.thaw());
  }

  /** New connections are refused, as by a machine on which nothing listens, until `accept`. */
  async refuse() {
    const listener = this.#listener;
    this.#listener = null;
    if (!listener) return;
    // Its end waits for the open connections; the refusing does not.
    listener.close();
  }

  /** New connections are reset as soon as they are there, until `accept`. */
  resetNew() {
    this.#isResetting = true;
  }

  async accept() {
    this.#isResetting = false;
    if (!this.#listener) await this.#listen();
  }

  async stop() {
    const connections = [...this.#connections];
    await this.refuse();
    this.cutAll({ reset: true });
    await Promise.all(connections.map(({ closed }) => closed));
  }

  async #listen() {
    const listener = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => this.#take(socket));
    listener.listen(this.#port, HOST);
    await once(listener, "listening");
    this.#listener = listener;
    this.#port = listener.address().port;
  }

  #take(client) {
    this.accepted += 1;
    if (this.#isResetting) {
      client.on("error", () => {});
      client.resetAndDestroy();
      return;
    }
    const server = connect({ port: this.target, host: HOST, allowHalfOpen: true, noDelay: true });
    const delay = () => this.#delay.ms + Math.random() * this.#delay.jitter;
    const connection = new Connection(client, server, { delay, cut: (...what) => this.#cutOf(...what) });
    this.#connections.add(connection);
    connection.closed.then(() => this.#connections.delete(connection));
  }

  #cutOf(side, connection, chunk) {
    for (const rule of this.#cuts) {
      if (rule.from !== side) continue;
      const pass = rule.find(connection, chunk);
      if (pass === null) continue;
      this.#cuts = this.#cuts.filter((other) => other !== rule);
      return { pass, end: () => this.#carryOut(rule, connection) };
    }
    return null;
  }

  #carryOut(rule, connection) {
    connection.cut({ reset: rule.reset });
    rule.done();
  }
}
