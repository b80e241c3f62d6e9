// The server's end of one WebSocket: does what the scenario says, right or wrong, and nothing by itself but what TCP and
// RFC 6455 ask for, until it is frozen.

import { CLOSE, CONTINUATION, FrameReader, PING, PONG, TEXT, BINARY, closePayload, frame, readClose } from "./frames.js";
import { Queue } from "./queue.js";

export class Peer {
  #socket;
  #reader = new FrameReader();
  #fragments = [];
  #isFrozen = false;
  #resolveEnd;
  #closeFrame = null;
  /** Messages of the client: `{text, json}`. */
  messages = new Queue();
  pongs = new Queue();
  /** Whether heartbeats are answered at once, and not put to the messages. */
  answersHeartbeats = false;
  heartbeats = 0;
  bytesReceived = 0;

  constructor(socket) {
    this.#socket = socket;
    /** Resolves with the client's `{code, reason}`, or null if the connection ended without one. */
    this.ended = new Promise((resolve) => {
      this.#resolveEnd = resolve;
    });
    socket.on("data", (bytes) => this.#read(bytes));
    socket.on("close", () => this.#resolveEnd(this.#closeFrame));
    // Node leaves the other half of an upgraded connection open.
    socket.on("end", () => this.#isFrozen || socket.end());
    // A client that ends the connection without a word is one of the things to be tested.
    socket.on("error", () => {});
  }

  get isOpen() {
    return !this.#socket.destroyed && this.#socket.writable;
  }

  send(message) {
    this.sendText(JSON.stringify(message));
  }

  sendText(text) {
    this.sendFrame(TEXT, Buffer.from(text));
  }

  sendFrame(opcode, bytes, options) {
    this.sendRaw(frame(opcode, bytes, options));
  }

  sendRaw(bytes) {
    if (this.isOpen) this.#socket.write(bytes);
  }

  /** One text in so many frames, cut without regard to characters. */
  sendFragments(text, count, withPings = false) {
    const bytes = Buffer.from(text);
    const size = Math.ceil(bytes.length / count);
    for (let part = 0; part < count; part += 1) {
      const opcode = part === 0 ? TEXT : CONTINUATION;
      if (withPings) this.sendFrame(PING, Buffer.from(`${part}`));
      this.sendFrame(opcode, bytes.subarray(part * size, (part + 1) * size), { fin: part === count - 1 });
    }
  }

  close(code, reason) {
    this.sendFrame(CLOSE, closePayload(code, reason));
    // The client's half of the close may come, but nobody waits for it.
    this.#socket.end();
  }

  cut() {
    this.#socket.destroy();
  }

  /** From now on this end is dead, and TCP does not tell: nothing is read or answered, not even a close. */
  freeze() {
    this.#isFrozen = true;
  }

  #read(bytes) {
    if (this.#isFrozen) return;
    this.bytesReceived += bytes.length;
    for (const one of this.#reader.read(bytes)) this.#frame(one);
  }

  #frame({ opcode, payload, fin, isMasked }) {
    if (!isMasked) this.messages.put({ broken: "a frame without a mask" });
    if (opcode === CLOSE) this.#closed(payload);
    else if (opcode === PING) this.sendFrame(PONG, payload);
    else if (opcode === PONG) this.pongs.put(payload);
    else if (opcode === TEXT || opcode === BINARY || opcode === CONTINUATION) this.#data(payload, fin);
  }

  #closed(payload) {
    this.#closeFrame ??= readClose(payload);
    if (this.#socket.writableEnded) return;
    this.sendFrame(CLOSE, payload);
    this.#socket.end();
  }

  #data(payload, fin) {
    this.#fragments.push(payload);
    if (!fin) return;
    const text = Buffer.concat(this.#fragments).toString();
    this.#fragments = [];
    this.#message(text);
  }

  #message(text) {
    let json;
    try {
      json = JSON.parse(text);
    } catch {
      this.messages.put({ text, broken: "a message that is not JSON" });
      return;
    }
    if (json?.action === "heartbeat") {
      this.heartbeats += 1;
      if (this.answersHeartbeats) {
        this.send({ type: "reply", id: json.id, result: { n: 0, seq: 0, now: Date.now() } });
        return;
      }
    }
    this.messages.put({ text, json });
  }
}
