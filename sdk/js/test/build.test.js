// What is made from src/ and kept beside it: servers carry godra.js, and a page can use it as it is.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { gzipSync } from "node:zlib";

import { bundle, bundles } from "../build.js";

/** What a game's player may have to load for it. */
const LIMIT_BYTES = 15 * 1024;

test("all that is built is what src/ builds", async () => {
  for (const [name, text] of Object.entries(await bundles())) {
    const built = await readFile(new URL(`../${name}`, import.meta.url), "utf8");
    assert.ok(built === text, `${name} is older than src/: npm run build`);
  }
});

test("the bundle stays small", async () => {
  const { length } = gzipSync(await bundle(), { level: 9 });
  assert.ok(length <= LIMIT_BYTES, `${length} bytes, minified and compressed; the limit is ${LIMIT_BYTES}`);
});
