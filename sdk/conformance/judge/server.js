// The server that a scenario scripts: real sockets, and no game. Upgrades and calls wait until the scenario answers them.

import { createHash } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import { Peer } from "./peer.js";
import { Queue } from "./queue.js";
import { refusalAnswer, refusalByClose } from "./refusals.js";

const MAGIC = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

export class ScriptedServer {
  #http = null;
  #sockets = new Set();
  #held = new Map();
  /** Upgrades that nobody has answered yet. */
  attempts = new Queue();
  /** HTTP calls in the order in which they came: `{method, path, query, headers, text, body}`. */
  calls = [];
  /** `"POST /refresh"` → a function from a call to an answer, or `"hold"`. */
  routes = new Map();
  /** While there is one, every upgrade is refused so, and counted. */
  refusal = null;
  refused = 0;
  port = 0;

  static async start() {
    const server = new ScriptedServer();
    await server.listen();
    return server;
  }

  /** Also after `stop()`, and then on the same port. */
  async listen() {
    this.#http = createServer({ keepAliveTimeout: 60_000 }, (request, response) => this.#call(request, response));
    this.#http.on("connection", (socket) => {
      this.#sockets.add(socket);
      socket.on("error", () => {});
      socket.on("close", () => this.#sockets.delete(socket));
    });
    this.#http.on("upgrade", (request, socket) => this.#upgrade(new Attempt(request, socket)));
    this.#http.listen(this.port, "127.0.0.1");
    await once(this.#http, "listening");
    this.port = this.#http.address().port;
    this.url = `http://127.0.0.1:${this.port}`;
  }

  /** Like a killed process: all connections are cut, and no new ones taken. */
  async stop() {
    if (!this.#http) return;
    const closed = once(this.#http, "close");
    this.#http.close();
    this.#http = null;
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  countOf(route) {
    return this.calls.filter(({ method, path }) => `${method} ${path}` === route).length;
  }

  /** Calls of a route that is on hold. */
  held(route) {
    if (!this.#held.has(route)) this.#held.set(route, new Queue());
    return this.#held.get(route);
  }

  #upgrade(attempt) {
    if (!this.refusal) return this.attempts.put(attempt);
    this.refused += 1;
    attempt.refuse(this.refusal);
  }

  async #call(request, response) {
    let text = "";
    for await (const chunk of request) text += chunk;
    const url = new URL(request.url, this.url);
    const call = { method: request.method, path: url.pathname, headers: request.headers, text, body: parsed(text) };
    call.query = Object.fromEntries(url.searchParams);
    if (request.method === "OPTIONS") return answer(response, { status: 204, headers: PREFLIGHT, body: "" });
    this.calls.push(call);
    const route = `${request.method} ${url.pathname}`;
    const given = this.routes.get(route);
    if (given === "hold") this.held(route).put({ call, answer: (what) => answer(response, what) });
    else answer(response, given?.(call) ?? NOT_FOUND);
  }
}

/** A WebSocket on its way. */
class Attempt {
  constructor(request, socket) {
    const url = new URL(request.url, "http://judge");
    const offered = (request.headers["sec-websocket-protocol"] ?? "").split(/\s*,\s*/);
    this.at = performance.now();
    this.socket = socket;
    this.path = url.pathname;
    this.url = request.url;
    this.query = Object.fromEntries(url.searchParams);
    this.headers = request.headers;
    this.protocols = offered.map((name) => (name.startsWith("bearer.") ? "bearer" : name));
    this.token = offered.find((name) => name.startsWith("bearer."))?.slice("bearer.".length);
    this.key = request.headers["sec-websocket-key"];
  }

  /** Gives the peer; `protocol: null` chooses none. */
  accept({ protocol = "godra", key = this.key } = {}) {
    const accept = createHash("sha1").update(key + MAGIC).digest("base64");
    const chosen = protocol === null ? "" : `Sec-WebSocket-Protocol: ${protocol}\r\n`;
    this.socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n${chosen}\r\n`,
    );
    this.socket.setNoDelay(true);
    return new Peer(this.socket);
  }

  /** As the real server does it: by a close for those who asked for that with `refuse=close`, else by HTTP. */
  refuse(refusal) {
    const byClose = refusal.by ? refusal.by === "close" : this.query.refuse === "close";
    if (byClose) refusalByClose(this.accept(), refusal);
    else this.socket.end(refusalAnswer(refusal));
  }

  /** In the middle of its answer: some clients try again by themselves when there was none at all. */
  cut() {
    this.socket.end("HTTP/1.1 101 Swi");
  }
}

const CORS = { "Access-Control-Allow-Origin": "*", "Access-Control-Expose-Headers": "Retry-After" };
const PREFLIGHT = { "Access-Control-Allow-Headers": "Authorization, Content-Type", "Access-Control-Allow-Methods": "GET, POST" };
const NOT_FOUND = { status: 404, body: { error: { code: "not_found", message: "No such path" } } };

/** `cut` ends the connection within the answer; `trickle_ms` sends the body that late. */
function answer(response, { status = 200, headers = {}, body = {}, delay_ms = 0, trickle_ms = 0, cut = false }) {
  if (cut) return response.socket.end("HTTP/1.1 20");
  const isText = typeof body === "string";
  setTimeout(() => {
    response.writeHead(status, { "Content-Type": isText ? "text/html" : "application/json", ...CORS, ...headers });
    if (trickle_ms) response.flushHeaders();
    setTimeout(() => response.end(isText ? body : JSON.stringify(body)), trickle_ms);
  }, delay_ms);
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
