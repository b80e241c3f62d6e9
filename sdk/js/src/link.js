// One WebSocket, from its making to its end.

import { GodraError, secondsOf } from "./errors.js";

/** So long a closing handshake may take, where the runtime lets us cut it: its timers keep programs from ending. */
const CLOSE_LIMIT_MS = 1_000;

export class Link {
  #socket;
  #handlers;
  #opened = false;
  #failure = "";
  #retryAfter;

  /** `handlers`: `received(data)`, and `ended({code, reason, opened})` once, if this side did not end it. */
  constructor(WebSocketClass, address, token, handlers) {
    this.#handlers = handlers;
    // As a subprotocol the token stays out of the logs that keep addresses.
    const socket = openSocket(WebSocketClass, address, ["godra", `bearer.${token}`]);
    this.#socket = socket;
    socket.binaryType = "arraybuffer";
    socket.onopen = () => {
      this.#opened = true;
      if (socket.protocol === "godra") return;
      this.#ended({ code: 1006, reason: "the server did not choose the subprotocol godra" });
      this.#close(4000, "");
    };
    // The package `ws` can tell what a refusal says besides.
    socket.on?.("unexpected-response", (request, { statusCode, headers }) => {
      this.#retryAfter = secondsOf(headers["retry-after"]);
      request.destroy(new Error(`Unexpected server response: ${statusCode}`));
    });
    socket.onmessage = ({ data }) => this.#handlers?.received(data);
    socket.onerror = (event) => {
      this.#failure = event?.message ?? "";
    };
    socket.onclose = ({ code, reason }) => this.#ended({ code, reason: reason || this.#failure });
  }

  send(text, maxBufferedBytes) {
    if (this.#socket.readyState !== 1 || this.#socket.bufferedAmount > maxBufferedBytes) return false;
    this.#socket.send(text);
    return true;
  }

  /** Ends it from this side, at once: a peer that is gone cannot take part in a closing handshake. */
  end(code, reason) {
    if (!this.#handlers) return;
    this.#handlers = null;
    this.#close(code, reason);
  }

  #close(code, reason) {
    const socket = this.#socket;
    if (socket.terminate) {
      const timer = setTimeout(() => socket.terminate(), CLOSE_LIMIT_MS);
      socket.onclose = () => clearTimeout(timer);
    }
    socket.close(code, reason);
  }

  #ended(end) {
    const handlers = this.#handlers;
    this.#handlers = null;
    handlers?.ended({ opened: this.#opened, retryAfter: this.#retryAfter, ...end });
  }
}

function openSocket(WebSocketClass, address, protocols) {
  try {
    return new WebSocketClass(address, protocols);
  } catch (cause) {
    const [code, why] = cause?.name === "SecurityError"
      ? ["refused", "The browser lets a page that came by https open wss addresses alone, and no port of another service"]
      : ["unauthorized", "The token is not one that the server gave: a WebSocket cannot carry it"];
    throw new GodraError(code, why, { cause });
  }
}

export function webSocketClass(given) {
  const found = given ?? globalThis.WebSocket;
  if (found) return found;
  throw new GodraError(
    "no_websocket",
    "This runtime has no WebSocket. Pass one: new GodraClient(url, { WebSocket }), with `import WebSocket from \"ws\"`, or use Node 22 or later",
  );
}
