// What goes to npm: readable by every tool that reads packages, and nothing is missing.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

import * as main from "godra";
import * as lobby from "godra/lobby";
import * as small from "godra/min";
import * as players from "godra/players";
import * as testing from "godra/testing";

const HERE = fileURLToPath(new URL("..", import.meta.url));
const run = (program, ...args) => promisify(execFile)(process.execPath, [`${HERE}node_modules/${program}`, ...args], { cwd: HERE });

test("publint finds nothing", async () => {
  const { stdout } = await run("publint/src/cli.js", "--strict");
  assert.match(stdout, /All good/);
});

test("types resolve for whoever imports it as a module", async () => {
  await run("@arethetypeswrong/cli/dist/index.js", "--pack", HERE, "--profile", "esm-only");
});

test("what the types export is there, and nothing else", async () => {
  const modules = { "godra.d.ts": main, "lobby.d.ts": lobby, "players.d.ts": players, "testing.d.ts": testing };
  for (const [file, module] of Object.entries(modules)) {
    const types = await readFile(`${HERE}${file}`, "utf8");
    const names = [...types.matchAll(/^export (?:class|function|const) (\w+)/gm)].map(([, name]) => name);
    assert.deepEqual(Object.keys(module).sort(), names.sort(), file);
  }
  assert.deepEqual(Object.keys(small), Object.keys(main));
});

test("rooms of the test double and errors are the main module's own", async () => {
  const { room, server } = await testing.FakeRoom.join();
  assert.ok(room instanceof main.Room);
  server.answer("a", () => {
    throw new main.GodraError("too_poor", "Too poor");
  });
  await assert.rejects(room.request("a"), main.GodraError);
});
