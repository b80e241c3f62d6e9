// Plays the add-on against the real server: the plays of plays/, the README's quickstart as it stands, and the demo in two windows.
// Arguments are names. With SCREENSHOTS=1 what the demo's windows show is kept in sdk/godot/screenshots, else in target/godot.

import { execFileSync } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ScriptedServer } from "../../conformance/judge/server.js";
import { GodraServer } from "../../js/test/godra-server.js";
import { Engine, SDK } from "./engine.js";

const names = process.argv.slice(2);
const PATIENCE_MS = 60_000;
const TESTS = { drops, quickstart, demo };

const folder = await mkdtemp(join(tmpdir(), "godra-godot-"));
const engine = await Engine.start();
let passed = 0;
let failed = 0;

if (names.length === 0 || names.some((name) => name.startsWith("play_"))) await plays();
for (const [name, test] of Object.entries(TESTS)) {
  if (names.length > 0 && !names.some((one) => name.includes(one))) continue;
  const server = await GodraServer.start();
  const why = await test(server).then(() => null, (error) => error);
  await server.stop();
  count(why === null);
  console.log(why === null ? `ok      ${name}` : `FAILED  ${name}: ${why.stack}`);
}
await engine.stop();
await rm(folder, { recursive: true });
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);

function count(isGood) {
  if (isGood) passed += 1;
  else failed += 1;
}

/** In the engine; what it prints with @ is done to the server. */
async function plays() {
  const server = await GodraServer.start();
  const acts = { "@stop": () => (server.terminate(), server.exited), "@start": () => server.restart() };
  const run = await engine.run({
    pack: pack("plays", [`test=${SDK}test`, `project.godot=${SDK}test/plays/project.godot`]),
    args: [server.url, ...names],
    onLine: async (line) => {
      if (acts[line]) await acts[line]().then(() => run.page.evaluate("window.done = true"));
      else if (!/ passed, /.test(line)) console.log(line);
    },
  });
  const ended = await Promise.race([run.exited, late(10 * PATIENCE_MS)]);
  await server.stop();
  const [, good, bad] = /^(\d+) passed, (\d+) failed$/.exec(run.lines.find((line) => / passed, /.test(line))) ?? [0, 0, 1];
  passed += Number(good);
  failed += Number(bad);
  if (ended === "late" || run.complaints.length > 0) {
    failed += 1;
    console.log(`FAILED  the engine did not end, or complained: ${run.complaints.join("\n")}`);
  }
}

/** More than the engine keeps: the room hears that something is lost, and asks for the state. */
async function drops(real) {
  const server = await ScriptedServer.start();
  const project = await projectOf("drops", "res://test/plays/drops.tscn");
  const of = pack("drops", [`test=${SDK}test`, `project.godot=${project}`]);
  const run = await engine.run({ pack: of, args: [real.url, server.url] });
  const attempt = await server.attempts.take(PATIENCE_MS, "connection");
  const peer = await attempt.accept();
  peer.send({ type: "welcome", payload: { user_id: "u", epoch: "e", seq: 0, n: 0, recovered: false, state: {} } });
  await sees(run, /^connected/);
  peer.send({ type: "long", payload: "x".repeat(100_000), seq: 1 });
  for (let seq = 2; seq < 10; seq += 1) peer.send({ type: "short", payload: null, seq });
  await sees(run, /^failed bad_message/);
  await sees(run, /^short 9/);
  const input = await peer.messages.take(PATIENCE_MS, "message");
  if (input.json.action !== "resync") throw new Error(`it sent ${JSON.stringify(input)}`);
  await server.stop();
  await close(run);
}

/** The first block of the README, in two windows that share nothing: each sees the other. */
async function quickstart(server) {
  const readme = await readFile(`${SDK}addons/godra/README.md`, "utf8");
  const [, code] = /```gdscript\n([\s\S]*?)```/.exec(readme);
  if (code.trim().split("\n").filter((line) => line.trim()).length >= 20) throw new Error("the quickstart has 20 lines or more");
  const project = await projectOf("quickstart", "res://main.tscn");
  await writeFile(join(folder, "main.gd"), code);
  await writeFile(join(folder, "main.tscn"), scene("res://main.gd"));
  const of = pack("quickstart", [`project.godot=${project}`, `main.gd=${folder}/main.gd`, `main.tscn=${folder}/main.tscn`]);
  const args = [`--godra-server=${server.url}`];
  const first = await engine.run({ pack: of, args });
  await sees(first, /moved to/);
  const second = await engine.run({ pack: of, args });
  await sees(first, /is here/);
  const mover = (run) => new Set(run.lines.map((line) => /^(\S+) moved to/.exec(line)?.[1]).filter(Boolean));
  await until(() => mover(first).size === 2 && mover(second).size === 2, () => `both move: ${first.lines} | ${second.lines}`);
  await close(first, second);
}

/** Two windows of the demo: one moves by its keys and talks, and the other sees it. */
async function demo(server) {
  const project = await projectOf("demo", "res://test/harness/demo.tscn");
  const of = pack("demo", [`demo=${SDK}demo`, `test=${SDK}test`, `project.godot=${project}`]);
  const window = { pack: of, width: 640, height: 480, args: [`--godra-server=${server.url}`] };
  const first = await engine.run(window);
  await until(() => state(first), () => `the first is in: ${first.lines.join("\n")}`);
  const second = await engine.run(window);
  await until(() => [first, second].every((run) => Object.keys(state(run)?.players ?? {}).length === 2), () => "both see two players");
  const me = state(first).me;
  const place = () => state(second).players[me]?.x;
  await until(() => place() !== undefined, () => "the second sees where the first is");
  const before = place();
  const key = before < 500 ? "ArrowRight" : "ArrowLeft";
  await first.page.click("canvas");
  await first.page.keyboard.down(key);
  await until(() => Math.abs(place() - before) > 100, () => `the second sees it move from ${before}: ${place()}`);
  await first.page.keyboard.up(key);
  await first.page.keyboard.press("Enter");
  await first.page.keyboard.type("Hello there!", { delay: 40 });
  await first.page.keyboard.press("Enter");
  await sees(second, /^SAID Hello there!/);
  await shoot(first, second);
  await close(first, second);
}

async function shoot(...runs) {
  const into = process.env.SCREENSHOTS ? `${SDK}screenshots` : `${SDK}../../target/godot`;
  await mkdir(into, { recursive: true });
  for (const [index, run] of runs.entries()) {
    await run.page.bringToFront();
    const canvas = run.page.locator("canvas");
    // Until the window is drawn, it is of one colour, which makes a small picture.
    let picture;
    await until(async () => (picture = await canvas.screenshot()).length > 4000, () => "the window shows something");
    await writeFile(`${into}/arena-${index + 1}.png`, picture);
  }
}

function state(run) {
  const line = run.lines.findLast((one) => one.startsWith("STATE "));
  return line && JSON.parse(line.slice(6));
}

async function close(...runs) {
  for (const run of runs) {
    if (run.complaints.length > 0) throw new Error(`the engine complained: ${run.complaints.join("\n")}`);
    await run.context.close();
  }
}

function sees(run, what) {
  return until(() => run.lines.some((line) => what.test(line)), () => `${what} in ${run.lines.join("\n")}`);
}

async function until(condition, what) {
  const end = Date.now() + PATIENCE_MS;
  while (!(await condition())) {
    if (Date.now() > end) throw new Error(`not within ${PATIENCE_MS} ms: ${what()}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

function late(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms, "late"));
}

/** The add-on's own project with another main scene, and without the icon, which the editor would have imported. */
async function projectOf(name, main) {
  const own = await readFile(`${SDK}project.godot`, "utf8");
  const path = join(folder, `${name}.godot`);
  await writeFile(path, own.replace(/run\/main_scene=.*/, `run/main_scene="${main}"`).replace(/config\/icon=.*\n/, ""));
  return path;
}

function scene(script) {
  const head = `[gd_scene load_steps=2 format=3]\n[ext_resource type="Script" path="${script}" id="1"]\n`;
  return `${head}[node name="Main" type="Node"]\nscript = ExtResource("1")\n`;
}

function pack(name, mounts) {
  const path = join(folder, `${name}.pck`);
  execFileSync(`${SDK}test/pack.py`, [path, `addons=${SDK}addons`, ...mounts]);
  return path;
}
