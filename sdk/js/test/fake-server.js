// A server that does what a test tells it to, right or wrong. Frames are made and read by hand, so that it can also
// send what no proper server would; it knows the protocol's shapes, but no game.

import { createHash } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";

export class FakeServer {
  #http = createServer((request, response) => this.#answer(request, response));
  #peers = new Queue();
  #connections = new Set();
  #openPeers = new Set();
  /** HTTP requests in the order in which they came: { method, path, headers, body }. */
  requests = [];
  /** `"POST /api/rpc"` → request → { status?, headers?, body }; a string as body is sent as it is. */
  routes = { "GET /ready": () => ({ body: "ready" }) };
  /** Called at every WebSocket upgrade; gives an HTTP status to refuse with, or nothing. */
  onUpgrade = () => undefined;
  /** Called with every accepted peer; `nextPeer` gives the same ones to tests that wait for them. */
  onPeer = () => {};

  static async start(port = 0) {
    const server = new FakeServer();
    await server.listen(port);
    return server;
  }

  async listen(port) {
    this.#http.on("connection", (socket) => {
      this.#connections.add(socket);
      socket.on("close", () => this.#connections.delete(socket));
    });
    this.#http.on("upgrade", (request, socket) => this.#upgrade(request, socket));
    this.#http.listen(port, "127.0.0.1");
    await once(this.#http, "listening");
    this.port = this.#http.address().port;
    this.url = `http://127.0.0.1:${this.port}`;
  }

  /** The next WebSocket that was accepted and not yet handed out. */
  nextPeer() {
    return this.#peers.take();
  }

  /** Sockets that are open now. */
  get peers() {
    return [...this.#openPeers];
  }

  async stop() {
    const closed = once(this.#http, "close");
    this.#http.close();
    for (const socket of this.#connections) socket.destroy();
    await closed;
  }

  async #answer(request, response) {
    let text = "";
    for await (const chunk of request) text += chunk;
    const path = request.url.split("?")[0];
    const seen = { method: request.method, path, headers: request.headers, body: text === "" ? undefined : JSON.parse(text) };
    this.requests.push(seen);
    const route = this.routes[`${request.method} ${path}`] ?? notFound;
    const { status = 200, headers = {}, body = {} } = await route(seen);
    const isText = typeof body === "string" || Buffer.isBuffer(body);
    response.writeHead(status, { "Content-Type": isText ? "text/plain" : "application/json", ...headers });
    response.end(isText ? body : JSON.stringify(body));
  }

  #upgrade(request, socket) {
    // A client that ends the connection without a word is one of the things to be tested.
    socket.on("error", () => {});
    const refusal = this.onUpgrade(request);
    if (refusal) {
      socket.end(`HTTP/1.1 ${refusal} Refused\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`);
      return;
    }
    const protocols = (request.headers["sec-websocket-protocol"] ?? "").split(/\s*,\s*/);
    const accept = createHash("sha1").update(request.headers["sec-websocket-key"] + MAGIC).digest("base64");
    const chosen = protocols.includes("godra") ? "Sec-WebSocket-Protocol: godra\r\n" : "";
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n${chosen}\r\n`,
    );
    const peer = new Peer(socket, request, protocols);
    this.#openPeers.add(peer);
    peer.closed.then(() => this.#openPeers.delete(peer));
    this.#peers.put(peer);
    this.onPeer(peer);
  }
}

/** The server's end of one WebSocket. */
class Peer {
  #socket;
  #unread = Buffer.alloc(0);
  #messages = new Queue();
  #ended;
  #closeFrame = { code: 1006, reason: "" };
  onMessage = () => {};

  constructor(socket, request, protocols) {
    this.#socket = socket;
    this.query = new URL(request.url, "http://fake").searchParams;
    this.token = protocols.find((entry) => entry.startsWith("bearer."))?.slice("bearer.".length);
    /** Resolves with the close code that the client sent; 1006 without one. */
    this.closed = new Promise((resolve) => {
      this.#ended = resolve;
    });
    socket.on("data", (bytes) => this.#read(bytes));
    socket.on("close", () => this.#ended(this.#closeFrame));
  }

  /** The next message of the client, parsed. */
  receive() {
    return this.#messages.take();
  }

  send(message) {
    this.sendText(JSON.stringify(message));
  }

  sendText(text) {
    this.sendFrame(TEXT, Buffer.from(text));
  }

  sendFrame(opcode, bytes, fin = true) {
    const head = [(fin ? 0x80 : 0) | opcode];
    if (bytes.length < 126) head.push(bytes.length);
    else head.push(126, bytes.length >> 8, bytes.length & 0xff);
    this.#socket.write(Buffer.concat([Buffer.from(head), bytes]));
  }

  /** Text of any length. */
  sendLong(text) {
    const bytes = Buffer.from(text);
    const head = Buffer.alloc(10);
    head[0] = 0x80 | TEXT;
    head[1] = 127;
    head.writeBigUInt64BE(BigInt(bytes.length), 2);
    this.#socket.write(Buffer.concat([head, bytes]));
  }

  sendRaw(bytes) {
    this.#socket.write(bytes);
  }

  welcome(more = {}) {
    const payload = { user_id: "guest:1", username: "Guest", role: "guest", game_id: this.query.get("game_id") };
    const rest = { epoch: "1f", seq: 0, recovered: false, state: {}, sync_interval_ms: 50 };
    this.send({ type: "welcome", payload: { ...payload, ...rest, ...more } });
  }

  close(code, reason = "") {
    const bytes = Buffer.alloc(2 + Buffer.byteLength(reason));
    bytes.writeUInt16BE(code);
    bytes.write(reason, 2);
    this.sendFrame(CLOSE, bytes);
    this.#socket.end();
  }

  destroy() {
    this.#socket.destroy();
  }

  /** Goes on being there, but reads nothing any more: as a computer does whose network is gone. */
  freeze() {
    this.#socket.removeAllListeners("data");
    this.#socket.pause();
  }

  #read(bytes) {
    this.#unread = Buffer.concat([this.#unread, bytes]);
    for (let frame = this.#nextFrame(); frame; frame = this.#nextFrame()) this.#frame(frame);
  }

  #nextFrame() {
    const bytes = this.#unread;
    if (bytes.length < 2) return null;
    const short = bytes[1] & 0x7f;
    const lengthBytes = short === 126 ? 2 : short === 127 ? 8 : 0;
    const maskAt = 2 + lengthBytes;
    if (bytes.length < maskAt + 4) return null;
    const length = lengthBytes === 0 ? short : bytes.readUIntBE(maskAt - Math.min(lengthBytes, 6), Math.min(lengthBytes, 6));
    const end = maskAt + 4 + length;
    if (bytes.length < end) return null;
    this.#unread = bytes.subarray(end);
    const mask = bytes.subarray(maskAt, maskAt + 4);
    const payload = Buffer.from(bytes.subarray(maskAt + 4, end)).map((byte, at) => byte ^ mask[at % 4]);
    return { opcode: bytes[0] & 0x0f, payload };
  }

  #frame({ opcode, payload }) {
    if (opcode === CLOSE) {
      const code = payload.length >= 2 ? payload.readUInt16BE() : 1005;
      this.#closeFrame = { code, reason: payload.subarray(2).toString() };
      if (!this.#socket.writableEnded) this.sendFrame(CLOSE, payload);
      this.#socket.end();
    } else if (opcode === PING) {
      this.sendFrame(PONG, payload);
    } else if (opcode === TEXT) {
      const message = JSON.parse(payload.toString());
      this.#messages.put(message);
      this.onMessage(message);
    }
  }
}

/** Hands what was put in to those who take, in order, whoever comes first. */
class Queue {
  #items = [];
  #takers = [];

  put(item) {
    const taker = this.#takers.shift();
    if (taker) taker(item);
    else this.#items.push(item);
  }

  take() {
    if (this.#items.length > 0) return Promise.resolve(this.#items.shift());
    return new Promise((resolve) => this.#takers.push(resolve));
  }
}

const MAGIC = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
const TEXT = 1;
const CLOSE = 8;
const PING = 9;
const PONG = 10;

function notFound() {
  return { status: 404, body: { error: { code: "not_found", message: "No such path" } } };
}
