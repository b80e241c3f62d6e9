// The demo's game in headless Chromium: quick match, a round to its podium, the ranking. The rounds are short, and full of gems.

import assert from "node:assert/strict";
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { after, afterEach, before, test as testWithoutLimit } from "node:test";

import { GodraServer } from "../../sdk/js/test/godra-server.js";
import { launch } from "./chromium.js";

const ARTIFACTS = fileURLToPath(new URL("../../target/browser/", import.meta.url));
const SCRIPTS = fileURLToPath(new URL("../../scripts/", import.meta.url));
const DESKTOP = { viewport: { width: 1200, height: 760 } };
const PHONE = { viewport: { width: 390, height: 780 }, isMobile: true, hasTouch: true, deviceScaleFactor: 2, reducedMotion: "reduce" };
const PATIENCE_MS = 30_000;
const CHANGES = [
  ["ROUND_MS, PODIUM_MS = 90000, 12000", "ROUND_MS, PODIUM_MS = 18000, 5000"],
  ["GEMS, GEMS_A_BEAT, MARGIN = 14, 2, 30", "GEMS, GEMS_A_BEAT, MARGIN = 60, 60, 30"],
];

const test = (name, run) => testWithoutLimit(name, { timeout: 180_000 }, run);

let scripts;
let server;
let browser;
const contexts = [];
const complaints = [];
before(async () => {
  await mkdir(ARTIFACTS, { recursive: true });
  scripts = await mkdtemp(join(tmpdir(), "godra-rounds-"));
  await cp(SCRIPTS, scripts, { recursive: true });
  await shortenRounds(join(scripts, "arena_beat.lua"));
  server = await GodraServer.start({ scripts });
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await server?.stop();
  if (scripts) await rm(scripts, { recursive: true, force: true });
});
afterEach(async () => {
  await Promise.all(contexts.splice(0).map((context) => context.close()));
  assert.deepEqual(complaints.splice(0), [], "a page that works says nothing on its console");
});

async function shortenRounds(path) {
  let text = await readFile(path, "utf8");
  for (const [from, to] of CHANGES) {
    assert.ok(text.includes(from), `arena_beat.lua has ${from}`);
    text = text.replace(from, to);
  }
  await writeFile(path, text);
}

/** A tab of a new player. `page.breakLine()` cuts its connection to the room. */
async function newPlayer(hash = "", device = DESKTOP) {
  const context = await browser.newContext(device);
  contexts.push(context);
  const page = await context.newPage();
  page.setDefaultTimeout(PATIENCE_MS);
  page.on("pageerror", (error) => complaints.push(error.message));
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) complaints.push(message.text());
  });
  let line;
  await page.routeWebSocket(/\/ws\?/, (socket) => {
    line = socket;
    socket.connectToServer();
  });
  page.breakLine = () => line.close({ code: 1012, reason: "the line broke" });
  await page.goto(`${server.url}/${hash}`);
  return page;
}

const inGame = (page) => page.waitForSelector("#game:not([hidden])");

async function until(what, check) {
  const endsAt = Date.now() + PATIENCE_MS;
  for (;;) {
    const found = await check();
    if (found) return found;
    assert.ok(Date.now() < endsAt, `waited ${PATIENCE_MS} ms in vain until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

const ownScore = async (page) => Number(await page.textContent("#own-score"));

/** What a page's list says of a player's points. */
async function scoreOf(page, id) {
  return Number(await page.textContent(`#roster li[data-user-id="${id}"] b`));
}

const selfId = (page) => page.$$eval("#roster li", (items) => items.find((item) => item.textContent.includes("(you)")).dataset.userId);

/** Walks about by keys until the player has more points than before. */
async function collect(page) {
  const before = await ownScore(page);
  const keys = ["ArrowLeft", "ArrowDown", "ArrowRight", "ArrowUp"];
  for (let turn = 0; (await ownScore(page)) <= before; turn += 1) {
    assert.ok(turn < 40, "there are gems wherever one walks");
    await page.keyboard.down(keys[turn % 4]);
    await new Promise((resolve) => setTimeout(resolve, 600));
    await page.keyboard.up(keys[turn % 4]);
  }
  return ownScore(page);
}

test("two players play to the podium, one over a broken line, and are in the ranking", async () => {
  const a = await newPlayer();
  await a.click("#create");
  await inGame(a);
  const b = await newPlayer(`#${await a.textContent("#lobby-code")}`, PHONE);
  await inGame(b);
  await until("a round has its clock", async () => /^0:\d\d$/.test(await a.textContent("#clock-text")));
  // Not the tail of a round, in which nobody could collect any more.
  await until("a round has begun", async () => Number((await a.textContent("#clock-text")).slice(2)) > 13);
  const [idA, idB] = [await selfId(a), await selfId(b)];

  await a.focus("#arena");
  const score = await collect(a);
  await until("the other page shows the points", async () => (await scoreOf(b, idA)) >= score);
  await until("a screen reader hears the points", async () => /You have \d+ points?\./.test(await a.textContent("#speech")));
  await a.screenshot({ path: `${ARTIFACTS}round.png` });
  await b.screenshot({ path: `${ARTIFACTS}phone-round.png` });

  a.breakLine();
  await until("the page is back", async () => /You are back/.test(await a.textContent("#chat-log")));
  assert.ok((await ownScore(a)) >= score, "the points are still there");

  for (const page of [a, b]) await page.waitForSelector("#podium:not([hidden])");
  await a.screenshot({ path: `${ARTIFACTS}podium.png` });
  await b.screenshot({ path: `${ARTIFACTS}phone-podium.png` });
  const result = await a.textContent("#result");
  assert.match(result, /^(You have|You and [\w-]+ have|[\w-]+ has) won with \d+\./);
  assert.match(await a.textContent("#countdown"), /^(Next round in \d|Here it comes…)$/);
  assert.match(await a.textContent("#speech"), /^Round \d+ is over\. /);
  const steps = (page) => page.$$eval("#steps li b", (items) => items.map((item) => item.textContent));
  assert.deepEqual(await steps(a), await steps(b));
  const atTheEnd = await ownScore(a);
  assert.equal(await a.textContent("#steps .own b"), String(atTheEnd));

  await until("the next round begins", async () => !(await a.isVisible("#podium")) && (await a.isVisible("#clock")));
  await until("the points begin anew", async () => (await scoreOf(b, idA)) < atTheEnd || (await scoreOf(b, idB)) === 0);

  await a.click("#leave");
  await until("the ranking has the player", async () => (await a.textContent("#best").catch(() => "")).includes("(you)"));
  assert.equal(await a.textContent("#best .own b"), String(atTheEnd));
  for (const name of ["This week", "Ever", "Today"]) {
    await a.click(`#periods button:has-text("${name}")`);
    assert.equal(await a.getAttribute(`#periods button:has-text("${name}")`, "aria-pressed"), "true");
    await until(`the ranking of ${name} has the player`, async () => (await a.locator("#best .own").count()) === 1);
  }
  await a.screenshot({ path: `${ARTIFACTS}start.png` });
});

test("an owner adds bots by the keyboard", async () => {
  const page = await newPlayer();
  await page.focus("#create");
  await page.keyboard.press("Enter");
  await inGame(page);
  await page.focus("#bots");
  await page.keyboard.press("Enter");
  await until("the bots are there", async () => Number(await page.textContent("#player-count")) === 6);
  await until("a bot has points", async () => {
    const scores = await page.$$eval('#roster li[data-user-id^="bot:"] b', (items) => items.map((item) => Number(item.textContent)));
    return scores.some((score) => score > 0);
  });
  const guest = await newPlayer(`#${await page.textContent("#lobby-code")}`);
  await inGame(guest);
  assert.equal(await guest.isVisible("#bots"), false, "they are the owner's");
});

test("quick match can be cancelled, brings two together, and gives bots to who is alone", async () => {
  const [a, b] = [await newPlayer(), await newPlayer()];
  await a.click("#match");
  await a.waitForSelector("#matching:not([hidden])");
  await until("the time runs", async () => (await a.textContent("#waited")) === "2 s");
  await a.keyboard.press("Enter");
  await a.waitForSelector("#match:not([hidden])");
  assert.equal(await a.evaluate(() => document.activeElement.id), "match");

  await Promise.all([a.click("#match"), b.click("#match")]);
  await Promise.all([inGame(a), inGame(b)]);
  assert.equal(await a.textContent("#lobby-code"), await b.textContent("#lobby-code"));
  await until("both are listed", async () => Number(await a.textContent("#player-count")) === 2);
  await b.click("#leave");
  await until("bots keep the other company", async () => Number(await a.textContent("#player-count")) === 6);
});
