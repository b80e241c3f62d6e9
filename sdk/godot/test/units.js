// Runs the tests of units/ in the engine. Arguments are names.

import { execFileSync } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Engine, SDK } from "./engine.js";

const LIMIT_MS = 180_000;

const folder = await mkdtemp(join(tmpdir(), "godra-godot-"));
const pack = join(folder, "units.pck");
execFileSync(`${SDK}test/pack.py`, [
  pack, `addons=${SDK}addons`, `demo=${SDK}demo`, `test=${SDK}test`, `project.godot=${SDK}test/harness/project.godot`,
]);
const engine = await Engine.start();
const run = await engine.run({ pack, args: process.argv.slice(2), onLine: tell });
const ended = await Promise.race([run.exited, new Promise((resolve) => setTimeout(resolve, LIMIT_MS, "late"))]);
await engine.stop();
await rm(folder, { recursive: true });

const [, passed, failed] = /^(\d+) passed, (\d+) failed$/.exec(run.lines.find((line) => / passed, /.test(line))) ?? [0, 0, 1];
const complaints = run.complaints.length + (ended === "late" ? 1 : 0);
if (complaints > 0) console.log(`FAILED  the engine complained, or did not end: ${run.complaints.join("\n")}`);
console.log(`${passed} passed, ${Number(failed) + complaints} failed`);
process.exit(Number(failed) + complaints === 0 ? 0 : 1);

function tell(line) {
  if (!/ passed, /.test(line)) console.log(line);
}
