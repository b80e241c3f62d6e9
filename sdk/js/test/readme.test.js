// The quickstart, run as it stands in the README, but for the port.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFile, rm, writeFile } from "node:fs/promises";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { gzipSync } from "node:zlib";

import { GodraServer } from "./godra-server.js";

const README = new URL("../README.md", import.meta.url);
const SCRIPT = fileURLToPath(new URL(`quickstart-${process.pid}.tmp.mjs`, import.meta.url));

let server;
before(async () => {
  server = await GodraServer.start();
});
after(async () => {
  await rm(SCRIPT, { force: true });
  await server?.stop();
});

test("two players see each other in less than 20 lines", { timeout: 60_000 }, async () => {
  const [, code] = /## Quickstart\n.*?```js\n(.*?)```/s.exec(await readFile(README, "utf8"));
  assert.ok(code.split("\n").length <= 20, `${code.split("\n").length} lines`);
  assert.ok(code.includes("http://localhost:8080"));
  await writeFile(SCRIPT, code.replace("http://localhost:8080", server.url));
  const { stdout } = await promisify(execFile)(process.execPath, [SCRIPT], { timeout: 30_000 });
  assert.match(stdout, /^Guest-\w+ came in\nSomebody is at 12, 8 of 2\n$/);
});

test("the README tells the size of godra.js as it is", async () => {
  const [, told] = /has ([\d.]+) KB minified and compressed/.exec(await readFile(README, "utf8"));
  const { length } = gzipSync(await readFile(new URL("../godra.js", import.meta.url)), { level: 9 });
  assert.equal(Number(told), Number((length / 1000).toFixed(1)));
});
