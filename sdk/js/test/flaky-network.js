// A network between client and server that a test can cut, and that can lose what the server says before it is cut.

import { once } from "node:events";
import { connect, createServer } from "node:net";

export class FlakyNetwork {
  #server = createServer((client) => this.#carry(client));
  #serverPort;
  #sockets = new Set();
  #isSilent = false;
  #isDown = false;

  /** Leads to that port of this machine. */
  static async to(serverPort) {
    const network = new FlakyNetwork();
    network.#serverPort = serverPort;
    network.#server.listen(0, "127.0.0.1");
    await once(network.#server, "listening");
    network.url = `http://127.0.0.1:${network.#server.address().port}`;
    return network;
  }

  /** From now on, what the server says gets lost; what clients say arrives. */
  loseAnswers() {
    this.#isSilent = true;
  }

  /** Cuts all connections, and lets no new ones through until `mend()`. */
  cut() {
    this.#isDown = true;
    for (const socket of this.#sockets) socket.destroy();
  }

  mend() {
    this.#isDown = false;
    this.#isSilent = false;
  }

  stop() {
    this.cut();
    this.#server.close();
  }

  #carry(client) {
    if (this.#isDown) {
      client.destroy();
      return;
    }
    const server = connect(this.#serverPort, "127.0.0.1");
    for (const [from, to] of [[client, server], [server, client]]) {
      this.#sockets.add(from);
      from.setNoDelay(true);
      from.on("error", () => {});
      from.on("close", () => {
        this.#sockets.delete(from);
        to.destroy();
      });
      from.on("data", (bytes) => from === server && this.#isSilent || to.write(bytes));
    }
  }
}
