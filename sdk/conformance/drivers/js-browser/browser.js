// Serves the page with the driver, opens it, and ends with it.

import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { launch } from "../../../../tests/browser/chromium.js";

const SDK = process.env.GODRA_JS ?? fileURLToPath(new URL("../../../js/dist", import.meta.url));
const FOLDERS = { sdk: SDK, js: fileURLToPath(new URL("../js", import.meta.url)), page: fileURLToPath(new URL(".", import.meta.url)) };
const PAGE = `<!doctype html><meta charset="utf-8"><title>driver</title><script type="module" src="/page/page.js"></script>`;

const { version } = JSON.parse(await readFile(new URL("../../../js/package.json", import.meta.url)));
const server = createServer((request, response) => serve(request.url, response));
server.listen(0, "127.0.0.1");
await once(server, "listening");

const browser = await launch();
for (const signal of ["SIGTERM", "SIGINT"]) process.on(signal, () => end(143));
const page = await browser.newPage();
page.on("console", (message) => console.error(message.text()));
page.on("crash", () => end(98));
await page.exposeFunction("finished", end);
const query = new URLSearchParams({ control: process.env.CONTROL, version, browser: `Chromium ${browser.version()}` });
await page.goto(`http://127.0.0.1:${server.address().port}/?${query}`);

async function serve(url, response) {
  const [, folder, file] = new URL(url, "http://page").pathname.split("/");
  if (folder === "") return response.writeHead(200, { "Content-Type": "text/html" }).end(PAGE);
  const text = Object.hasOwn(FOLDERS, folder) && (await readFile(`${FOLDERS[folder]}/${file}`, "utf8").catch(() => null));
  if (text) response.writeHead(200, { "Content-Type": "text/javascript" }).end(text);
  else response.writeHead(404).end();
}

async function end(code) {
  await browser.close();
  process.exit(code);
}
