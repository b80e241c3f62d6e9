// The demo page, played in headless Chromium by two players who share nothing but the lobby.

import assert from "node:assert/strict";
import { mkdir } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { after, afterEach, before, test as testWithoutLimit } from "node:test";

import { GodraClient } from "../../sdk/js/godra.js";
import { GodraServer } from "../../sdk/js/test/godra-server.js";
import { launch } from "./chromium.js";

const ARTIFACTS = fileURLToPath(new URL("../../target/browser/", import.meta.url));
const DESKTOP = { viewport: { width: 1200, height: 760 } };
const PHONE = { viewport: { width: 390, height: 780 }, isMobile: true, hasTouch: true, deviceScaleFactor: 2 };
const PATIENCE_MS = 20_000;

const test = (name, run) => testWithoutLimit(name, { timeout: 120_000 }, run);

let server;
let browser;
const contexts = [];
const complaints = [];
before(async () => {
  await mkdir(ARTIFACTS, { recursive: true });
  server = await GodraServer.start();
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await server?.stop();
});
afterEach(async () => {
  await Promise.all(contexts.splice(0).map((context) => context.close()));
  // A page that works says nothing on its console.
  assert.deepEqual(complaints.splice(0), []);
});

/** A tab of a new player on the page. */
async function newPlayer(hash = "", device = DESKTOP) {
  const context = await browser.newContext(device);
  contexts.push(context);
  const page = await context.newPage();
  page.setDefaultTimeout(PATIENCE_MS);
  page.on("pageerror", (error) => complaints.push(error.message));
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type()) && !page.mayComplain) complaints.push(message.text());
  });
  await page.goto(`${server.url}/${hash}`);
  return page;
}

/** Runs a script as a guest without a page. */
async function callAsGuest(script, args, keys) {
  const client = new GodraClient(server.url);
  await client.auth.guestLogin();
  return client.rpc(script, args, keys);
}

async function createLobby(page) {
  await page.click("#create");
  await page.waitForSelector("#game:not([hidden])");
  return page.textContent("#lobby-code");
}

/** What a page shows of the players: user id → { name, x, y }. */
async function roster(page) {
  const entries = await page.$$eval("#roster li", (items) =>
    items.map(({ dataset, textContent }) => [dataset.userId, { name: textContent, x: Number(dataset.x), y: Number(dataset.y) }]),
  );
  return Object.fromEntries(entries);
}

async function selfOf(page) {
  const [id, player] = Object.entries(await roster(page)).find(([, { name }]) => name.includes("(you)"));
  return { id, ...player };
}

/** Waits until `check` gives something true. */
async function until(what, check, patienceMs = PATIENCE_MS) {
  const endsAt = Date.now() + patienceMs;
  for (;;) {
    const found = await check();
    if (found) return found;
    assert.ok(Date.now() < endsAt, `waited ${patienceMs} ms in vain until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}

/** A player on a page's list, once its position is known there. */
async function placed(page, id) {
  const player = (await roster(page))[id];
  return Number.isFinite(player?.x) ? player : null;
}

function distance(a, b) {
  return Math.hypot(a.x - b.x, a.y - b.y);
}

test("two players meet by a link, see each other move, and talk", async () => {
  const a = await newPlayer();
  const code = await createLobby(a);
  const link = a.url();
  assert.equal(link, `${server.url}/#${code}`);
  const b = await newPlayer(`#${code}`);
  await b.waitForSelector("#game:not([hidden])");
  for (const page of [a, b]) {
    await until("both are listed", async () => (await page.textContent("#player-count")) === "2");
  }
  const [selfA, selfB] = [await selfOf(a), await selfOf(b)];
  assert.notEqual(selfA.id, selfB.id);

  await walk(a, selfA.id, b, ["d", "s"]);
  await walk(b, selfB.id, a, ["ArrowLeft"]);

  await say(a, "Hello from the first tab");
  await say(b, "<img src=x onerror=alert(1)> & <b>bold</b>");
  for (const page of [a, b]) {
    await until("both lines are there", async () => (await chatLines(page)).length >= 2);
    const [first, second] = await chatLines(page);
    assert.match(first, /Hello from the first tab$/);
    assert.ok(second.endsWith("<img src=x onerror=alert(1)> & <b>bold</b>"), "text stays text");
    assert.equal(await page.locator("#chat-log img, #chat-log b b").count(), 0);
  }
  await until("the latency is measured", async () => /\d ms/.test(await a.textContent("#latency-text")));
  await a.screenshot({ path: `${ARTIFACTS}two-players.png` });

  await b.click("#leave");
  await until("the first is alone again", async () => (await a.textContent("#player-count")) === "1");
  assert.equal(await b.isVisible("#start"), true);
});

/** Holds keys on one page until the other page has seen its player move, and then agree on where it came to rest. */
async function walk(page, id, watcher, keys) {
  const from = await until("the player has a place", () => placed(watcher, id));
  await page.keyboard.press("Escape");
  for (const key of keys) await page.keyboard.down(key);
  await until("the other page sees the move", async () => distance((await roster(watcher))[id], from) > 40);
  for (const key of keys) await page.keyboard.up(key);
  await until("both pages agree", async () => {
    const [here, there] = [(await roster(page))[id], (await roster(watcher))[id]];
    return distance(here, there) < 1;
  });
}

async function say(page, text) {
  await page.keyboard.press("Enter");
  await page.keyboard.type(text);
  await page.keyboard.press("Enter");
  await until("the message is sent", async () => (await page.inputValue("#chat-text")) === "");
  await page.keyboard.press("Escape");
}

function chatLines(page) {
  return page.$$eval("#chat-log li:not(.note)", (items) => items.map((item) => item.textContent));
}

test("a phone joins from the list and moves by touch", async () => {
  const a = await newPlayer();
  const code = await createLobby(a);
  const phone = await newPlayer("", PHONE);
  await phone.screenshot({ path: `${ARTIFACTS}phone-start.png` });
  await phone.click(`#lobbies button:has-text("${code}")`);
  await phone.waitForSelector("#game:not([hidden])");
  const { id } = await selfOf(phone);
  const from = await until("the first page sees the phone's player", () => placed(a, id));
  const touch = await phone.context().newCDPSession(phone);
  const point = (x, y) => ({ touchPoints: [{ x, y }] });
  await touch.send("Input.dispatchTouchEvent", { type: "touchStart", ...point(200, 300) });
  await touch.send("Input.dispatchTouchEvent", { type: "touchMove", ...point(280, 300) });
  await until("the first page sees the move", async () => (await roster(a))[id].x > from.x + 40);
  await phone.screenshot({ path: `${ARTIFACTS}phone.png` });
  await touch.send("Input.dispatchTouchEvent", { type: "touchEnd", touchPoints: [] });
});

test("a code that leads nowhere, and one that cannot be, are told in words", async () => {
  const page = await newPlayer();
  page.mayComplain = true;
  const check = async (code, expected) => {
    await page.fill("#code", code);
    await page.press("#code", "Enter");
    await until(`"${code}" is refused`, async () => expected.test(await page.textContent("#notice")));
    assert.equal(await page.isVisible("#start"), true);
  };
  await check("nobody-made-this", /no lobby with this code/);
  await check("not a code", /does not look like a lobby code/);
});

test("a full lobby is told in words", async () => {
  const lobbyId = await callAsGuest("create_lobby", [1]);
  const page = await newPlayer();
  page.mayComplain = true;
  await page.fill("#code", lobbyId);
  await page.click("#join button");
  await until("the page says so", async () => /lobby is full/.test(await page.textContent("#notice")));
});

test("after a restart players come back to their lobby, or are told that it is gone", async () => {
  const [a, c] = [await newPlayer(), await newPlayer()];
  const code = await createLobby(a);
  await createLobby(c);
  for (const page of [a, c]) page.mayComplain = true;
  const first = server;
  first.terminate();
  await a.waitForSelector("#banner:not([hidden])");
  await a.screenshot({ path: `${ARTIFACTS}reconnecting.png` });
  await first.exited;
  server = await GodraServer.start({ port: first.port });
  await first.stop();
  // Nothing was kept over the restart: one lobby is made anew under its old id, the other is not.
  await callAsGuest("create_lobby", [8], [`game:${code}`]);
  await until("the page is back in the game", async () => !(await a.isVisible("#banner")) && (await a.isVisible("#game")));
  assert.match(await a.textContent("#chat-log"), /You are back/);
  const gone = async () => /not there any more/.test(await c.textContent("#notice"));
  await until("the other page gives up", gone, 2 * PATIENCE_MS);
  assert.equal(await c.isVisible("#start"), true);
});
