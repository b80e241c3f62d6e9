// A client without any SDK: it joins, and tells the room's state as the server tells it to somebody new.

import { once } from "node:events";
import { request } from "node:http";
import { FrameReader, TEXT } from "../../conformance/judge/frames.js";

const LIMIT_MS = 10_000;
const AGAIN_MS = 200;

export class Witness {
  #socket;
  #messages = [];
  userId;

  static async join(url, room) {
    const login = await (await fetch(`${url}/guest-login`, { method: "POST" })).json();
    const witness = new Witness();
    witness.userId = login.user_id;
    await witness.#open(`${url}/ws?game_id=${room}&refuse=close`, login.token);
    await witness.#until(({ type }) => type === "welcome");
    return witness;
  }

  /** `{payload, seq}` of the room as it is now. */
  async snapshot() {
    for (;;) {
      this.#messages = [];
      this.#send({ action: "resync" });
      const answer = await this.#until(({ type, payload }) => type === "snapshot" || payload?.code === "rate_limited");
      if (answer.type === "snapshot") return answer;
      await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
    }
  }

  close() {
    this.#socket.destroy();
  }

  async #open(address, token) {
    const headers = {
      Connection: "Upgrade",
      Upgrade: "websocket",
      "Sec-WebSocket-Version": "13",
      "Sec-WebSocket-Key": Buffer.from("witness of plays").toString("base64"),
      "Sec-WebSocket-Protocol": `godra, bearer.${token}`,
    };
    const upgrade = request(address, { headers, signal: AbortSignal.timeout(LIMIT_MS) });
    upgrade.end();
    const [, socket, head] = await once(upgrade, "upgrade");
    this.#socket = socket;
    const reader = new FrameReader();
    const read = (bytes) => {
      for (const { opcode, payload } of reader.read(bytes)) if (opcode === TEXT) this.#take(JSON.parse(payload));
      socket.emit("heard");
    };
    socket.on("data", read);
    socket.on("error", () => {});
    read(head);
  }

  #take(message) {
    this.#messages.push(...(message.type === "batch" ? message.events : [message]));
  }

  async #until(isWanted) {
    const signal = AbortSignal.timeout(LIMIT_MS);
    for (;;) {
      const found = this.#messages.find(isWanted);
      if (found) return found;
      await once(this.#socket, "heard", { signal });
    }
  }

  /** A short text frame, with a mask of zeros. */
  #send(message) {
    const bytes = Buffer.from(JSON.stringify(message));
    this.#socket.write(Buffer.concat([Buffer.from([0x80 | TEXT, 0x80 | bytes.length, 0, 0, 0, 0]), bytes]));
  }
}
