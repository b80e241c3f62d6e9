// Runs packs on Godot's web build in headless Chromium: one engine a page, and a page's prints and exit code as the engine's own.
//
//   node engine.js PACK [ARGUMENT...]     runs one pack, prints what it prints, and ends with its exit code

import { createServer } from "node:http";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { launch } from "../../../tests/browser/chromium.js";

/** The folder sdk/godot, with a slash at its end. */
export const SDK = fileURLToPath(new URL("../", import.meta.url));
const BUILD = fileURLToPath(new URL("../../../target/tools/godot/engine/", import.meta.url));
const TYPES = { js: "text/javascript", wasm: "application/wasm", html: "text/html" };

/** A release engine prints the errors of scripts and goes on: whoever runs it has to look for them. */
const COMPLAINTS = /SCRIPT ERROR|Parse Error|Failed to load script|PAGE ERROR/;

const PAGE = `<!doctype html><html><head><style>html, body { margin: 0; background: #000 } canvas { display: block }</style></head><body>
<canvas id="canvas" tabindex="0"></canvas><script src="index.js"></script><script>
const { args, width, height } = JSON.parse(decodeURIComponent(location.hash.slice(1)));
const canvas = document.getElementById("canvas");
canvas.width = width; canvas.height = height;
addEventListener("error", (event) => printed("PAGE ERROR " + (event.error?.stack ?? event.message)));
addEventListener("unhandledrejection", (event) => printed("PAGE ERROR " + (event.reason?.stack ?? event.reason)));
const engine = new Engine({
  executable: "index", mainPack: "game.pck", canvas, canvasResizePolicy: 0, args, serviceWorker: "",
  onPrint: (...texts) => printed(texts.join(" ")), onPrintError: (...texts) => printed(texts.join(" ")),
  onExit: (code) => exited(code),
});
engine.startGame().catch((error) => { printed("PAGE ERROR " + (error?.stack ?? error)); exited(99); });
</script></body></html>`;

export class Engine {
  #server;
  #browser;
  #packs = new Map();

  static async start() {
    const engine = new Engine();
    engine.#server = createServer((request, response) => engine.#serve(request, response));
    await new Promise((resolve) => engine.#server.listen(0, "127.0.0.1", resolve));
    engine.#browser = await launch();
    return engine;
  }

  /**
   * Opens a page that runs the pack. Pages share nothing, as two players' browsers share nothing, but those in one `context`.
   * `query` goes into the page's address; `onLine` gets what is printed.
   */
  async run({ pack, args = [], query = "", width = 320, height = 240, context, onLine = () => {} }) {
    const id = `p${this.#packs.size}`;
    this.#packs.set(id, pack);
    const run = { lines: [], complaints: [] };
    run.context = context ?? (await this.#browser.newContext({ viewport: { width: width + 80, height: height + 80 } }));
    run.page = await run.context.newPage();
    run.exited = new Promise((resolve) => {
      run.page.exposeFunction("exited", resolve);
      run.page.on("crash", () => resolve(98));
      run.page.on("close", () => resolve(97));
    });
    await run.page.exposeFunction("printed", (line) => {
      run.lines.push(line);
      if (COMPLAINTS.test(line)) run.complaints.push(line);
      onLine(line);
    });
    // Not --headless: its first frame reads memory that this build has not set, and may crash by that.
    const hash = encodeURIComponent(JSON.stringify({ args: ["--audio-driver", "Dummy", "--", ...args], width, height }));
    await run.page.goto(`http://127.0.0.1:${this.#server.address().port}/${id}/?${query}#${hash}`);
    return run;
  }

  async stop() {
    await this.#browser.close();
    this.#server.closeAllConnections();
    this.#server.close();
  }

  async #serve(request, response) {
    const [, id, name] = new URL(request.url, "http://engine").pathname.split("/");
    const path = name === "game.pck" ? this.#packs.get(id) : join(BUILD, name || "-");
    const body = name === "" ? PAGE : await readFile(path).catch(() => null);
    response.statusCode = body === null ? 404 : 200;
    response.setHeader("Content-Type", TYPES[(name || "index.html").split(".").pop()] ?? "application/octet-stream");
    response.end(body ?? "");
  }
}

async function main([pack, ...args]) {
  const engine = await Engine.start();
  const run = await engine.run({ pack, args, onLine: (line) => console.log(line) });
  const code = await run.exited;
  await engine.stop();
  process.exit(code === 0 && run.complaints.length > 0 ? 1 : code);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main(process.argv.slice(2));
