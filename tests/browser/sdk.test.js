// The SDK in a browser, on a page of another origin than the server's: how most games will use it.

import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { after, before, test as testWithoutLimit } from "node:test";

import { GodraServer } from "../../sdk/js/test/godra-server.js";
import { launch } from "./chromium.js";

const test = (name, run) => testWithoutLimit(name, { timeout: 120_000 }, run);

let server;
let browser;
let page;
const site = createServer((_request, response) => {
  response.setHeader("Content-Type", "text/html");
  response.end("<!doctype html><title>A game</title>");
});
before(async () => {
  server = await GodraServer.start();
  browser = await launch();
  page = await browser.newPage();
  site.listen(0, "127.0.0.1");
  await once(site, "listening");
  await page.goto(`http://127.0.0.1:${site.address().port}/`);
});
after(async () => {
  await browser?.close();
  await server?.stop();
  site.close();
});

test("a page of another origin logs in, makes a lobby and plays", async () => {
  const result = await page.evaluate(async (url) => {
    const { GodraClient } = await import(`${url}/godra.js`);
    const client = new GodraClient(url);
    const { token, user_id: userId } = await client.auth.guestLogin();
    const lobbyId = await client.lobby.createLobby(token, 2);
    const moved = new Promise((resolve) => client.realtime.on("player_moved", resolve));
    const welcome = await client.realtime.connect(token, lobbyId);
    client.realtime.sendInput("move_player", { x: 3, y: 4 });
    const { x, y } = await moved;
    const latencyMs = await client.realtime.ping();
    client.realtime.close();
    return { isSelf: welcome.user_id === userId, isThere: `game:${welcome.game_id}` === lobbyId, x, y, latencyMs };
  }, server.url);
  const { latencyMs, ...rest } = result;
  assert.deepEqual(rest, { isSelf: true, isThere: true, x: 3, y: 4 });
  assert.ok(latencyMs > 0);
});

test("errors reach the page with their status and code", async () => {
  const errors = await page.evaluate(async (url) => {
    const { GodraClient } = await import(`${url}/godra.js`);
    const client = new GodraClient(url);
    await client.auth.guestLogin();
    const codeOf = (promise) => promise.then(() => "none", ({ status, code }) => `${status} ${code}`);
    return [
      await codeOf(client.lobby.joinLobby(null, "nobody-made-this")),
      await codeOf(client.lobby.joinLobby("not.a.token", "nobody-made-this")),
      await codeOf(client.realtime.connect(null, "nobody-made-this")),
    ];
  }, server.url);
  assert.deepEqual(errors, ["404 not_found", "401 unauthorized", "undefined refused"]);
});

test("a server that is away is told from one that says no", async () => {
  const code = await page.evaluate(async ([url, gone]) => {
    const { GodraClient } = await import(`${url}/godra.js`);
    const client = new GodraClient(gone, { token: "not.a.token" });
    return client.realtime.connect(null, "abc").catch((error) => error.code);
  }, [server.url, "http://127.0.0.1:9"]);
  assert.equal(code, "unavailable");
});
