// A FakeServer with logins, for tests of rooms and sessions: what it hands out is numbered, so that tests see what was used.

import WebSocket from "ws";

import { GodraClient } from "../godra.js";
import { FakeServer } from "./fake-server.js";

/** `t1`, `r1` and so on, of that user. */
export function loginOf(number, more = {}) {
  return { token: `t${number}`, refresh_token: `r${number}`, expires_in: 3600, user_id: "guest:1", username: "Ann", role: "guest", ...more };
}

export function refusal(status, code, more = {}) {
  return { status, body: { error: { code, message: `about ${code}`, ...more } } };
}

export class LoginServer {
  #clients = [];

  static async start() {
    const mine = new LoginServer();
    mine.fake = await FakeServer.start();
    mine.url = mine.fake.url;
    let count = 0;
    Object.assign(mine.fake.routes, {
      "POST /guest-login": () => ({ body: loginOf((count += 1)) }),
      "POST /refresh": () => ({ body: loginOf((count += 1)) }),
      "POST /logout": () => ({ status: 204, body: "" }),
      "GET /account": () => ({ body: { user_id: "guest:1", username: "Ann", role: "guest", expires_in: 9 } }),
      "POST /api/rpc": () => ({ body: { result: "OK" } }),
    });
    return mine;
  }

  get routes() {
    return this.fake.routes;
  }

  /** How often that was called, as `POST /refresh`. */
  calls(route) {
    return this.fake.requests.filter(({ method, path }) => `${method} ${path}` === route).length;
  }

  client(options = {}) {
    const client = new GodraClient(this.url, { WebSocket, heartbeatMs: 0, reconnect: { firstDelayMs: 4, maxDelayMs: 16 }, ...options });
    this.#clients.push(client);
    return client;
  }

  /** A guest's client in a room, the server's end of that, and a log of what the room's game is told. */
  async join({ welcome, room: id = "abc", client = this.client(), prepare, ...options } = {}) {
    if (!client.session) await client.auth.guestLogin();
    const log = [];
    const joined = client.join(id, { ...options, prepare: (room) => (record(room, log), prepare?.(room)) });
    const peer = await this.fake.nextPeer();
    peer.welcome({ n: 0, ...welcome });
    return { client, peer, log, room: await joined };
  }

  async stop() {
    for (const client of this.#clients) await client.close();
    await this.fake.stop();
  }
}

/** Lifecycle as `[name, …]`, events as `[type, payload]`. */
function record(room, log) {
  room.on("connected", ({ recovered }) => log.push(["connected", recovered]));
  room.on("reconnecting", ({ attempt, delayMs }) => log.push(["reconnecting", attempt, delayMs]));
  room.on("disconnected", ({ code, willReconnect, cause }) => log.push(["disconnected", code, willReconnect, cause?.code ?? null]));
  room.on("snapshot", (state) => log.push(["snapshot", state]));
  room.on("error", ({ code }) => log.push(["error", code]));
  room.onEvent((payload, { type }) => log.push([type, payload]));
}

/** Waits until `check` gives something true. */
export async function until(check, patienceMs = 5_000) {
  const endsAt = performance.now() + patienceMs;
  for (;;) {
    const found = check();
    if (found) return found;
    if (performance.now() > endsAt) throw new Error(`waited ${patienceMs} ms in vain until ${check}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}
