// One WebSocket, from its making to its end.

import { GodraError } from "./errors.js";

/** `ended` is called once. */
export class Link {
  receivedAt = 0;
  #socket;
  #handlers;
  #welcomeTimer;
  #opened = false;
  #failure = "";

  constructor(WebSocketClass, url, token, handlers) {
    this.#handlers = handlers;
    // As a subprotocol the token stays out of the logs that keep addresses.
    const socket = openSocket(WebSocketClass, url.href, ["godra", `bearer.${token}`]);
    this.#socket = socket;
    socket.binaryType = "arraybuffer";
    socket.onopen = () => {
      this.#opened = true;
    };
    socket.onmessage = ({ data }) => this.#message(data);
    socket.onerror = (event) => {
      this.#failure = event?.message ?? "";
    };
    socket.onclose = ({ code, reason }) => this.#ended({ code, reason: reason || this.#failure });
    this.#welcomeTimer = setTimeout(() => {
      this.end(1000, `No welcome from the server within ${handlers.timeoutMs} ms`, { timedOut: true });
    }, handlers.timeoutMs);
  }

  /** The welcome came: the time limit for it is over. */
  welcomed() {
    clearTimeout(this.#welcomeTimer);
  }

  send(text, maxBufferedBytes) {
    if (this.#socket.readyState !== 1 || this.#socket.bufferedAmount > maxBufferedBytes) return false;
    this.#socket.send(text);
    return true;
  }

  /** Ends it from this side, at once: a peer that is gone cannot take part in a closing handshake. */
  end(code, reason, more = {}) {
    const handlers = this.#handlers;
    if (!handlers) return;
    this.#ended({ code, reason, ...more });
    // 1006 may not be sent.
    this.#socket.close(code === 1006 ? 4000 : code, reason.slice(0, 100));
  }

  #message(data) {
    this.receivedAt = performance.now();
    let message;
    try {
      message = JSON.parse(typeof data === "string" ? data : new TextDecoder().decode(data));
    } catch {
      this.#handlers?.malformed("The server sent a message that is not JSON");
      return;
    }
    if (typeof message === "object" && message !== null) this.#handlers?.message(message);
    else this.#handlers?.malformed("The server sent a message that is not an object");
  }

  #ended(end) {
    const handlers = this.#handlers;
    if (!handlers) return;
    this.#handlers = null;
    clearTimeout(this.#welcomeTimer);
    handlers.ended({ opened: this.#opened, timedOut: false, ...end });
  }
}

function openSocket(WebSocketClass, address, protocols) {
  try {
    return new WebSocketClass(address, protocols);
  } catch (cause) {
    throw new GodraError("unauthorized", "The token is not one that the server gave: a WebSocket cannot carry it", { cause });
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

export function socketUrl(base, query) {
  const url = new URL("ws", base);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
  return url;
}
