import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, createServer } from "node:net";
import { test } from "node:test";
import { Proxy } from "../proxy/proxy.js";

const LIMIT = { timeout: 10_000 };

test("what is sent arrives whole, both ways, also much of it and after a half close", LIMIT, async (t) => {
  const { proxy, server } = await setUp(t);
  const client = await dial(proxy);
  const [peer] = await server.next();
  const much = Buffer.alloc(5 << 20, "abcdefg");
  client.socket.end(much);
  await peer.ended;
  assert.ok(peer.bytes.equals(much));
  peer.socket.end("thanks");
  await client.ended;
  assert.equal(client.text, "thanks");
});

test("a cut after so many bytes lets exactly those pass, once", LIMIT, async (t) => {
  const { proxy, server } = await setUp(t);
  const cut = proxy.cutOnce({ bytes: 7 });
  const client = await dial(proxy);
  const [peer] = await server.next();
  peer.socket.write("0123");
  await client.has("0123");
  peer.socket.write("456789");
  await cut;
  await client.closed;
  await peer.closed;
  assert.equal(client.text, "0123456");
  const second = await dial(proxy);
  const [other] = await server.next();
  other.socket.write("0123456789");
  await second.has("0123456789");
});

test("a cut at a marker never lets it through whole, however it is split", LIMIT, async (t) => {
  const { proxy, server } = await setUp(t);
  const cut = proxy.cutOnce({ marker: '"reply"' });
  const client = await dial(proxy);
  const [peer] = await server.next();
  peer.socket.write('{"type":"rep');
  await client.has('{"type":"rep');
  peer.socket.write('ly","id":1}');
  await cut;
  await client.closed;
  assert.equal(client.text, '{"type":"rep');
});

test("a cut behind a marker lets that through, and nothing else", LIMIT, async (t) => {
  const { proxy, server } = await setUp(t);
  const cut = proxy.cutOnce({ marker: "END", after: true });
  const client = await dial(proxy);
  const [peer] = await server.next();
  peer.socket.write("all of it END and more");
  await cut;
  await client.closed;
  assert.equal(client.text, "all of it END");
});

test("a rule for what the client sends leaves alone what the server sends", LIMIT, async (t) => {
  const { proxy, server } = await setUp(t);
  const cut = proxy.cutOnce({ from: "client", bytes: 3 });
  const client = await dial(proxy);
  const [peer] = await server.next();
  peer.socket.write("0123456789");
  await client.has("0123456789");
  client.socket.write("abcdef");
  await cut;
  await peer.closed;
  assert.equal(peer.text, "abc");
});

test("a reset arrives as one", LIMIT, async (t) => {
  const { proxy, server } = await setUp(t);
  const client = await dial(proxy);
  const [peer] = await server.next();
  proxy.cutAll({ reset: true });
  assert.equal(await client.closed, "ECONNRESET");
  assert.equal(await peer.closed, "ECONNRESET");
});

test("a connection whose end is on its way ends by a reset, too", LIMIT, async (t) => {
  const { proxy, server } = await setUp(t);
  const client = await dial(proxy);
  const [peer] = await server.next();
  proxy.cutAll();
  proxy.cutAll({ reset: true });
  await proxy.stop();
  await client.closed;
  await peer.closed;
});

test("a delay holds for every chunk, and jitter keeps the order", LIMIT, async (t) => {
  const { proxy, server } = await setUp(t);
  proxy.delay(30, 40);
  const client = await dial(proxy);
  const [peer] = await server.next();
  const began = performance.now();
  const sent = Array.from({ length: 50 }, (_, index) => `${index};`);
  for (const text of sent) {
    peer.socket.write(text);
    await new Promise(setImmediate);
  }
  await client.has(sent.join(""));
  assert.ok(performance.now() - began >= 29);
});

test("a freeze of one direction leaves the other alone, and ends without a loss", LIMIT, async (t) => {
  const { proxy, server } = await setUp(t);
  const client = await dial(proxy);
  const [peer] = await server.next();
  const thaw = proxy.freeze("server");
  peer.socket.write("held");
  client.socket.write("passes");
  await peer.has("passes");
  const other = await dial(proxy);
  const [second] = await server.next();
  second.socket.write("new ones pass");
  await other.has("new ones pass");
  assert.equal(client.text, "");
  thaw();
  await client.has("held");
});

test("refused and reset connections, until it accepts again at the same address", LIMIT, async (t) => {
  const { proxy, server } = await setUp(t);
  const kept = await dial(proxy);
  const [peer] = await server.next();
  await proxy.refuse();
  await assert.rejects(dial(proxy), { code: "ECONNREFUSED" });
  peer.socket.write("still here");
  await kept.has("still here");
  await proxy.accept();
  proxy.resetNew();
  assert.equal(await (await dial(proxy)).closed, "ECONNRESET");
  await proxy.accept();
  const client = await dial(proxy);
  const [again] = await server.next();
  again.socket.write("hello");
  await client.has("hello");
});

test("new connections go to the new target, open ones stay", LIMIT, async (t) => {
  const { proxy, server } = await setUp(t);
  const elsewhere = await Target.start(t);
  const before = await dial(proxy);
  const [peer] = await server.next();
  proxy.target = elsewhere.port;
  const after = await dial(proxy);
  const [other] = await elsewhere.next();
  peer.socket.write("old");
  other.socket.write("new");
  await before.has("old");
  await after.has("new");
});

test("a server that is not there resets its clients, and one that dies does", LIMIT, async (t) => {
  const { proxy, server } = await setUp(t);
  const client = await dial(proxy);
  const [peer] = await server.next();
  peer.socket.resetAndDestroy();
  assert.equal(await client.closed, "ECONNRESET");
  await server.stop();
  assert.equal(await (await dial(proxy)).closed, "ECONNRESET");
});

async function setUp(t) {
  const server = await Target.start(t);
  const proxy = await Proxy.start(server.port);
  t.after(() => proxy.stop());
  return { proxy, server };
}

/** Listens, and hands out the connections that come. */
class Target {
  #listener = createServer({ allowHalfOpen: true });

  static async start(t) {
    const target = new Target();
    target.#listener.listen(0, "127.0.0.1");
    await once(target.#listener, "listening");
    target.port = target.#listener.address().port;
    t.after(() => target.stop());
    target.peers = [];
    target.#listener.on("connection", (socket) => target.peers.push(new End(socket)));
    return target;
  }

  async next() {
    while (this.peers.length === 0) await once(this.#listener, "connection");
    return [this.peers.shift()];
  }

  async stop() {
    this.#listener.close();
  }
}

/** One end of a connection, and all that came. */
class End {
  bytes = Buffer.alloc(0);

  constructor(socket) {
    this.socket = socket;
    let error = null;
    socket.on("data", (chunk) => (this.bytes = Buffer.concat([this.bytes, chunk])));
    socket.on("error", ({ code }) => (error = code));
    this.ended = once(socket, "end").catch(() => {});
    /** Resolves with the error's code, or null, when either half is over. */
    this.closed = new Promise((resolve) => {
      socket.on("end", () => resolve(error));
      socket.on("close", () => resolve(error));
    });
  }

  get text() {
    return this.bytes.toString();
  }

  async has(text) {
    while (this.text !== text) await once(this.socket, "data");
  }
}

async function dial(proxy) {
  const socket = connect({ port: Number(new URL(proxy.url).port), host: "127.0.0.1", allowHalfOpen: true });
  const end = new End(socket);
  const connected = new Promise((resolve, reject) => {
    socket.on("connect", resolve);
    // A reset may be faster than word of the connection.
    socket.on("error", (error) => (error.code === "ECONNRESET" ? resolve() : reject(error)));
  });
  await connected;
  return end;
}
