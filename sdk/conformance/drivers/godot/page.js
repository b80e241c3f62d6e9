// Opens the page that runs the driver's pack, and ends as that ends. The control address is in the page's query.

import { rm } from "node:fs/promises";

import { Engine } from "../../../godot/test/engine.js";

const engine = await Engine.start();
const query = `control=${encodeURIComponent(process.env.CONTROL)}`;
const run = await engine.run({ pack: process.argv[2], query, onLine: (line) => console.error(line) });
// Nothing is left over when the judge ends this process.
for (const signal of ["SIGTERM", "SIGINT"]) process.on(signal, () => engine.stop().then(() => process.exit(143)));
const code = await run.exited;
await engine.stop();
await rm(process.argv[2]);
if (run.complaints.length > 0) console.error(`the engine complained:\n${run.complaints.join("\n")}`);
process.exit(code === 0 && run.complaints.length > 0 ? 1 : code);
