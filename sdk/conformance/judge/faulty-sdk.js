// The JavaScript SDK with faults planted into its source.

import { readFile, readdir } from "node:fs/promises";
import { createRequire } from "node:module";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";

const SDK = new URL("../../js/", import.meta.url);

/** Bundles the SDK's source, with `edits` (`{file, find, replace}`) applied to it, into that folder. */
export async function buildWith(edits, folder) {
  const source = fileURLToPath(new URL("src/", SDK));
  await checkFiles(edits, source);
  const { build } = createRequire(new URL("package.json", SDK))("esbuild");
  const failed = ({ errors: [first] }) => {
    throw new Error(first.text);
  };
  await build({
    entryPoints: { godra: join(source, "index.js"), lobby: join(source, "lobby.js") },
    outdir: folder,
    bundle: true,
    format: "esm",
    logLevel: "silent",
    plugins: [{ name: "faults", setup: (building) => plant(building, edits) }],
  }).catch(failed);
}

async function checkFiles(edits, source) {
  const files = await readdir(source);
  const lost = edits.find(({ file }) => !files.includes(file));
  if (lost) throw new Error(`the fault does not apply: there is no ${lost.file} any more`);
}

function plant(building, edits) {
  building.onLoad({ filter: /\.js$/ }, async ({ path }) => {
    const text = await readFile(path, "utf8");
    return { contents: edits.filter(({ file }) => file === basename(path)).reduce(edited, text) };
  });
}

function edited(text, { file, find, replace }) {
  const parts = text.split(find);
  if (parts.length !== 2) throw new Error(`the fault does not apply: ${file} has ${JSON.stringify(find)} ${parts.length - 1} times, not once`);
  return parts.join(replace);
}
