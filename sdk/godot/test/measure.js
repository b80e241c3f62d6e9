// Measures the add-on in the engine, and prints what it found:
//   node measure.js flood [EVENTS_A_SECOND] [SECONDS]    a scripted server sends batches of moves of 100 players every 50 ms
//   node measure.js restart [COUNT]                      how long after the real server listens again an input runs

import { execFileSync } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ScriptedServer } from "../../conformance/judge/server.js";
import { GodraServer } from "../../js/test/godra-server.js";
import { Engine, SDK } from "./engine.js";

const BATCH_MS = 50;
const DOWN_MS = [300, 3000];

const [what = "flood", ...numbers] = process.argv.slice(2);
const folder = await mkdtemp(join(tmpdir(), "godra-godot-"));
const pack = join(folder, "measures.pck");
execFileSync(`${SDK}test/pack.py`, [pack, `addons=${SDK}addons`, `test=${SDK}test`, `project.godot=${SDK}test/measures/project.godot`]);
const engine = await Engine.start();
const server = await GodraServer.start();
await (what === "flood" ? flood : restart)(...numbers.map(Number));
await engine.stop();
await server.stop();
await rm(folder, { recursive: true });

async function flood(rate = 20_000, seconds = 5) {
  const scripted = await ScriptedServer.start();
  const run = await engine.run({ pack, args: ["flood", server.url, scripted.url] });
  const peer = await (await scripted.attempts.take(60_000, "connection")).accept();
  const ids = Array.from({ length: 100 }, (_, index) => `guest:${index}`);
  const players = Object.fromEntries(ids.map((user_id) => [user_id, { user_id, username: user_id, x: 0, y: 0 }]));
  peer.send({ type: "welcome", payload: { user_id: ids[0], epoch: "e", seq: 0, n: 0, recovered: false, state: { players } } });
  const size = Math.round((rate * BATCH_MS) / 1000);
  let seq = 0;
  for (let batch = 0; batch < (seconds * 1000) / BATCH_MS; batch += 1) {
    const move = () => ({ type: "player_moved", payload: { user_id: ids[++seq % 100], x: seq / 7, y: 2, at: Date.now() }, seq });
    peer.send({ type: "batch", events: Array.from({ length: size }, move) });
    await pause(BATCH_MS);
  }
  peer.send({ type: "over", payload: null, seq: seq + 1 });
  await run.exited;
  console.log(`sent ${seq}: ${result(run)}`);
  await scripted.stop();
}

async function restart(count = 20) {
  const times = [];
  let listens = 0;
  const acts = {
    "@playing": () => times.push(performance.now() - listens),
    "@stop": async () => {
      server.terminate();
      await server.exited;
      // Different times away, so that it is not always the same attempt that succeeds.
      await pause(DOWN_MS[0] + Math.random() * (DOWN_MS[1] - DOWN_MS[0]));
      await server.restart();
      listens = performance.now();
    },
  };
  const run = await engine.run({ pack, args: ["restart", server.url, String(count)], onLine: (line) => acts[line]?.() });
  await run.exited;
  times.sort((a, b) => a - b);
  const [median, most] = [times[times.length >> 1], times.at(-1)].map(Math.round);
  console.log(`${times.length} restarts: playing again ${median} ms after the server listens (median), ${most} ms at most`);
}

function result(run) {
  return run.lines.find((line) => line.startsWith("RESULT "))?.slice(7) ?? run.lines.join("\n");
}

function pause(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
