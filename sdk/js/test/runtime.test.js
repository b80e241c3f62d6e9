// What runtimes do differently: those that lack something, those that must be able to end, workers without an address.

import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { readdir, readFile } from "node:fs/promises";
import { test as testWithoutLimit } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

import { GodraClient } from "../godra.js";
import { FakeServer } from "./fake-server.js";
import { LoginServer } from "./login-server.js";

const test = (name, run) => testWithoutLimit(name, { timeout: 30_000 }, run);
const HERE = fileURLToPath(new URL(".", import.meta.url));

/** What React Native lacks or has in name only, and older browsers, too. */
const MISSING = ["AbortSignal.timeout", "AbortSignal.any", "searchParams", "new URL(", "structuredClone", "Promise.withResolvers", "navigator.locks.query"];

test("the source uses nothing that React Native lacks", async () => {
  const folder = new URL("../src/", import.meta.url);
  for (const name of await readdir(folder)) {
    const source = await readFile(new URL(name, folder), "utf8");
    for (const missing of MISSING) assert.ok(!source.includes(missing), `${name} uses ${missing}`);
  }
});

test("it runs where all of that is taken away", async () => {
  const server = await LoginServer.start();
  server.fake.onPeer = (peer) => peer.welcome();
  const script = `
    import WebSocket from "ws";
    const { GodraClient } = await import(${JSON.stringify(new URL("../godra.js", import.meta.url).href)});
    delete AbortSignal.timeout;
    delete AbortSignal.any;
    delete globalThis.structuredClone;
    // ws and fetch need a URL, which the SDK must not touch: it is frozen, as React Native's is.
    for (const name of ["protocol", "search", "hash", "pathname"]) {
      const { get } = Object.getOwnPropertyDescriptor(URL.prototype, name);
      Object.defineProperty(URL.prototype, name, { get, set() { throw new Error("URL." + name + " is not implemented"); } });
    }
    URLSearchParams.prototype.set = () => { throw new Error("URLSearchParams.set is not implemented"); };
    const client = new GodraClient(${JSON.stringify(`${server.url}/`)}, { WebSocket });
    await client.auth.ensure();
    const room = await client.join("a");
    await client.rpc("x", [], { timeoutMs: 1000 });
    room.close();
    console.log("ran as", room.me.userId);`;
  try {
    const { stdout } = await promisify(execFile)(process.execPath, ["--input-type=module", "-e", script], { cwd: HERE });
    assert.equal(stdout.trim(), "ran as guest:1");
  } finally {
    await server.stop();
  }
});

test("a program ends soon after close(), also where the server's side hangs", async () => {
  const server = await LoginServer.start();
  const frozen = new Promise((resolve) => (server.fake.onPeer = (peer) => resolve(peer.welcome(), peer.freeze())));
  const script = `
    import WebSocket from "ws";
    import { GodraClient } from ${JSON.stringify(new URL("../godra.js", import.meta.url).href)};
    const client = new GodraClient(${JSON.stringify(server.url)}, { WebSocket });
    await client.auth.ensure();
    await client.join("a");
    console.log("joined");
    await client.close();`;
  try {
    const child = spawn(process.execPath, ["--input-type=module", "-e", script], { cwd: HERE, stdio: ["ignore", "pipe", "inherit"] });
    await Promise.all([once(child.stdout, "data"), frozen]);
    const startedAt = performance.now();
    const [code] = await once(child, "exit");
    const tookMs = performance.now() - startedAt;
    assert.equal(code, 0);
    assert.ok(tookMs < 5_000, `${tookMs} ms; the package ws would wait for 30 s`);
  } finally {
    await server.stop();
  }
});

test("a WebSocket that cannot be made is told by its reason", async () => {
  const failing = (name) => class {
    constructor() {
      throw Object.assign(new Error("no"), { name });
    }
  };
  const client = (WebSocket) => new GodraClient("https://x", { WebSocket, token: "a.b.c" });
  await assert.rejects(client(failing("SecurityError")).join("a"), { code: "refused", message: /https open wss/ });
  await assert.rejects(client(failing("SyntaxError")).join("a"), { code: "session_ended" });
  await assert.rejects(client(failing("SyntaxError")).realtime.connect(null, "a"), { code: "unauthorized", message: /The token is not one/ });
});

test("a server that does not choose our subprotocol is none, whatever the WebSocket class makes of it", async () => {
  let closedWith;
  class Careless {
    protocol = "";
    constructor() {
      queueMicrotask(() => this.onopen());
    }
    close(code) {
      closedWith = code;
    }
  }
  const client = new GodraClient("https://x", { WebSocket: Careless, token: "a.b.c" });
  await assert.rejects(client.join("a"), { code: "disconnected", closeCode: 1006, message: /subprotocol/ });
  assert.equal(closedWith, 4000);
});

test("a page or worker without an address has to name the server's", () => {
  globalThis.location = { origin: "null" };
  try {
    assert.throws(() => new GodraClient(), { name: "TypeError", message: /worker without an address of its own has to name the server's/ });
    globalThis.location = { origin: "https://game.example" };
    assert.ok(new GodraClient());
  } finally {
    delete globalThis.location;
  }
});

test("redirects are not followed, cookies not sent", async () => {
  const seen = [];
  const fetch = async (_url, init) => {
    seen.push([init.redirect, init.credentials]);
    return new Response("", { status: 302, headers: { Location: "http://elsewhere" } });
  };
  await assert.rejects(new GodraClient("http://x", { fetch, token: "t" }).rpc("a"), { code: "bad_response", status: 302 });
  assert.deepEqual(seen, [["manual", "omit"]]);
});

test("Retry-After is taken as seconds and as a date", async () => {
  const server = await FakeServer.start();
  try {
    const client = new GodraClient(server.url, { token: "t" });
    for (const [text, from, to] of [["7", 7, 7], [new Date(Date.now() + 9_000).toUTCString(), 7, 10], ["Thu, 01 Jan 1970 00:00:00 GMT", 0, 0]]) {
      server.routes["POST /api/rpc"] = () => ({ status: 429, headers: { "Retry-After": text }, body: {} });
      const { retryAfter } = await client.rpc("a").catch((error) => error);
      assert.ok(retryAfter >= from && retryAfter <= to, `${text}: ${retryAfter}`);
    }
  } finally {
    await server.stop();
  }
});
