// godra.js is made from src/ and kept beside it: servers carry it, and a page can use it as it is.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { gzipSync } from "node:zlib";

import { bundle } from "../build.js";

/** What a game's player may have to load for it. */
const LIMIT_BYTES = 9 * 1024;

test("godra.js is what src/ builds", async () => {
  const built = await readFile(new URL("../godra.js", import.meta.url), "utf8");
  assert.ok(built === (await bundle()), "godra.js is older than src/: npm run build");
});

test("the bundle stays small", async () => {
  const { length } = gzipSync(await bundle({ minify: true }), { level: 9 });
  assert.ok(length <= LIMIT_BYTES, `${length} bytes, minified and compressed; the limit is ${LIMIT_BYTES}`);
});
