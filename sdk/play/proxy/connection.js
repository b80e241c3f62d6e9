// A client's socket, the server's, and a pipe for each direction.

import { Pipe } from "./pipe.js";

export class Connection {
  #client;
  #server;
  #pipes;
  closed;

  /** `delay()` and `cut(side, connection, chunk)` are the proxy's rules. */
  constructor(client, server, { delay, cut }) {
    this.#client = client;
    this.#server = server;
    const rules = (side) => ({ delay, cut: (chunk) => cut(side, this, chunk) });
    this.#pipes = {
      client: new Pipe(client, server, rules("client")),
      server: new Pipe(server, client, rules("server")),
    };
    this.closed = Promise.all([this.#watch(client, server), this.#watch(server, client)]);
  }

  /** Holds up what comes from `"client"`, from `"server"`, or from `"both"`. */
  freeze(from = "both") {
    for (const side of from === "both" ? ["client", "server"] : [from]) this.#pipes[side].freeze();
  }

  thaw() {
    for (const pipe of Object.values(this.#pipes)) pipe.thaw();
  }

  /** Ends both halves; with `reset` as a machine does that has forgotten the connection. */
  cut({ reset = false } = {}) {
    for (const pipe of Object.values(this.#pipes)) pipe.stop();
    for (const socket of [this.#client, this.#server]) {
      if (!reset) socket.end(() => socket.destroy());
      // A reset fails while an end is on its way, and leaves the socket open for ever.
      else if (socket.writableEnded) socket.destroy();
      else socket.resetAndDestroy();
    }
  }

  /** What happens to one socket happens to the other. */
  #watch(socket, other) {
    return new Promise((resolve) => {
      let isReset = false;
      socket.on("error", () => (isReset = true));
      socket.on("close", () => {
        if (isReset) this.cut({ reset: !other.destroyed });
        resolve();
      });
    });
  }
}
