// The chat example, and what rooms do in a browser that they do not in Node: refusals that can be read, tabs that share a session.

import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { after, before, test as testWithoutLimit } from "node:test";

import { GodraServer } from "../../sdk/js/test/godra-server.js";
import { launch } from "./chromium.js";
import { startSite } from "./site.js";

const SCREENSHOT = fileURLToPath(new URL("../../target/browser/chat.png", import.meta.url));
const SIZE = { viewport: { width: 760, height: 460 } };

const test = (name, run) => testWithoutLimit(name, { timeout: 120_000 }, run);

let server;
let site;
let browser;
before(async () => {
  server = await GodraServer.start();
  site = await startSite();
  browser = await launch();
});
after(async () => {
  await browser?.close();
  site?.stop();
  await server?.stop();
});

async function newPage(path, context) {
  const page = await (context ?? (await browser.newContext(SIZE))).newPage();
  page.setDefaultTimeout(20_000);
  await page.goto(`${site.url}${path}`);
  return page;
}

const says = (page, selector, text) => page.waitForFunction(([at, wanted]) => document.querySelector(at).textContent.includes(wanted), [selector, text]);

async function say(page, text) {
  await page.fill("#text", text);
  await page.press("#text", "Enter");
}

test("the chat: two people talk, one server restarts, and nothing is said twice or lost", async () => {
  const ann = await newPage(`/examples/chat/?server=${server.url}`);
  await says(ann, "#status", "Connected");
  const code = await ann.evaluate(() => location.hash);
  assert.match(code, /^#\w+$/);
  const ben = await newPage(`/examples/chat/?server=${server.url}${code}`);
  for (const page of [ann, ben]) await page.waitForFunction(() => document.querySelectorAll("#players li").length === 2);
  await say(ann, "Hello! Shall we play?");
  await say(ben, "In a minute <b>");
  for (const page of [ann, ben]) await says(page, "#lines", "In a minute <b>");
  server.terminate();
  await server.exited;
  await says(ann, "#status", "Connection lost");
  await say(ann, "Said while the server was away");
  await server.restart();
  for (const page of [ann, ben]) await says(page, "#status", "Connected");
  await says(ben, "#lines", "Said while the server was away");
  const heard = await ben.$$eval("#lines li:not(.note)", (lines) => lines.map((line) => line.lastChild.textContent.trim()));
  assert.deepEqual(heard, ["Hello! Shall we play?", "In a minute <b>", "Said while the server was away"]);
  await ben.screenshot({ path: process.env.CHAT_SCREENSHOT ?? SCREENSHOT });
});

test("a page reads why it is refused", async () => {
  const page = await newPage("/examples/chat/chat.css");
  const error = await page.evaluate(async ([url]) => {
    const { GodraClient } = await import("/dist/godra.js");
    const client = new GodraClient(url);
    await client.auth.ensure();
    return client.join("nobody-made-this").catch(({ code, status, closeCode, message }) => ({ code, status, closeCode, message }));
  }, [server.url]);
  assert.deepEqual(error, { code: "not_found", status: 403, closeCode: 4505, message: "Lobby does not exist" });
});

test("two tabs share a session, and refresh it in turns", async () => {
  const context = await browser.newContext();
  const tabs = [await newPage("/examples/chat/chat.css", context), await newPage("/examples/chat/chat.css", context)];
  const begin = (page) => page.evaluate(async (url) => {
    const { GodraClient, localStorageStore } = await import("/dist/godra.js");
    globalThis.client = new GodraClient(url, { store: localStorageStore() });
    return (await client.auth.ensure()).user_id;
  }, server.url);
  const user = await begin(tabs[0]);
  // Browsers tell their other processes of a store's change in their own time.
  await tabs[1].waitForFunction(() => localStorage.getItem("godra.session"));
  assert.equal(await begin(tabs[1]), user);
  let refreshes = 0;
  for (const tab of tabs) tab.on("request", (request) => (refreshes += request.url().endsWith("/refresh") && request.method() === "POST" ? 1 : 0));
  const refresh = (page) => page.evaluate(async () => {
    await client.auth.refresh();
    return client.session.refresh_token;
  });
  // Who comes while another tab is at it waits.
  await tabs[0].evaluate(() => new Promise((held) => void navigator.locks.request("godra.session", () => new Promise((release) => {
    globalThis.release = release;
    held();
  }))));
  const waiting = refresh(tabs[1]);
  await tabs[1].waitForFunction(async () => (await navigator.locks.query()).pending.length === 1);
  assert.equal(refreshes, 0);
  await tabs[0].evaluate(() => globalThis.release());
  const first = await waiting;
  assert.equal(refreshes, 1);
  // What another tab has got is good for this one, as soon as the browser has told it.
  await tabs[0].waitForFunction((token) => localStorage.getItem("godra.session").includes(token), first);
  assert.equal(await refresh(tabs[0]), first);
  assert.equal(refreshes, 1);
  // Before that it shows what it has, and the server gives the same answer a second time.
  const [one, other] = await Promise.all(tabs.map(refresh));
  assert.equal(one, other);
  assert.notEqual(one, first);
});

test("a page that goes offline makes no attempts, and comes back at once", async () => {
  const context = await browser.newContext();
  const page = await newPage("/examples/chat/chat.css", context);
  await page.evaluate(async (url) => {
    const { GodraClient } = await import("/dist/godra.js");
    const client = new GodraClient(url, { reconnect: { firstDelayMs: 60_000, maxDelayMs: 60_000 } });
    await client.auth.ensure();
    globalThis.room = await client.createRoom();
    globalThis.seen = [];
    for (const name of ["connected", "disconnected"]) room.on(name, () => seen.push(name));
  }, server.url);
  await context.setOffline(true);
  server.terminate();
  await server.exited;
  await page.waitForFunction(() => seen.includes("disconnected"));
  await server.restart();
  await context.setOffline(false);
  await page.waitForFunction(() => seen.includes("connected"));
});

test("a worker plays, too", async () => {
  const page = await newPage("/examples/chat/chat.css");
  const state = await page.evaluate((url) => new Promise((resolve, reject) => {
    const code = `
      import { GodraClient } from "${location.origin}/godra.js";
      const client = new GodraClient("${url}");
      await client.auth.ensure();
      const room = await client.createRoom();
      postMessage([room.connection, await room.request("send_chat", { message: "from a worker" })]);
      room.close();`;
    const worker = new Worker(URL.createObjectURL(new Blob([code], { type: "text/javascript" })), { type: "module" });
    worker.onmessage = ({ data }) => resolve(data);
    worker.onerror = ({ message }) => reject(new Error(message));
  }), server.url);
  assert.deepEqual(state, ["joined", "OK"]);
});
