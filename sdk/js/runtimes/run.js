// Runs hello.js in this Node, Node 22, Bun and Deno against the real server (GODRA_BIN, or what target/ holds). The last line says how many
// passed. The last three are those of package-lock.json here, and go to target/tools/js-runtimes.

import { execFile } from "node:child_process";
import { copyFile, mkdir } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

import { GodraServer } from "../test/godra-server.js";

const HERE = fileURLToPath(new URL(".", import.meta.url));
const TOOLS = fileURLToPath(new URL("../../../target/tools/js-runtimes/", import.meta.url));
const LIMIT_MS = 60_000;
const run = promisify(execFile);

async function install() {
  await mkdir(TOOLS, { recursive: true });
  for (const name of ["package.json", "package-lock.json"]) await copyFile(HERE + name, TOOLS + name);
  await run("npm", ["ci", "--silent", "--no-audit", "--no-fund", "--prefix", TOOLS]);
}

function commandsOf(url) {
  const script = `${HERE}hello.js`;
  const bin = `${TOOLS}node_modules/.bin/`;
  return [
    [process.execPath, [script, url]],
    [`${bin}node`, [script, url]],
    [`${bin}bun`, ["run", script, url]],
    [`${bin}deno`, ["run", "--no-config", "--allow-net", script, url]],
  ];
}

await install();
const server = await GodraServer.start();
let failed = 0;
const commands = commandsOf(server.url);
for (const [program, args] of commands) {
  try {
    const { stdout } = await run(program, args, { timeout: LIMIT_MS });
    process.stdout.write(`ok      ${stdout}`);
  } catch (error) {
    failed += 1;
    console.log(`failed  ${program}: ${error.stderr || error.message}`);
  }
}
await server.stop();
console.log(`${commands.length - failed} passed, ${failed} failed`);
process.exitCode = failed > 0 ? 1 : 0;
