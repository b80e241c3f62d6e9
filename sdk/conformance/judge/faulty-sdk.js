// The JavaScript SDK with faults planted into its source.

import { readFile, readdir } from "node:fs/promises";
import { createRequire } from "node:module";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";

const SDK = new URL("../../js/", import.meta.url);

/** Bundles the SDK's source, with `edits` (`{find, replace}`) applied to it, into that folder. */
export async function buildWith(edits, folder) {
  const source = fileURLToPath(new URL("src/", SDK));
  const texts = edits.reduce(edited, await read(source));
  const { build } = createRequire(new URL("package.json", SDK))("esbuild");
  await build({
    entryPoints: { godra: join(source, "index.js"), lobby: join(source, "lobby.js") },
    outdir: folder,
    bundle: true,
    format: "esm",
    logLevel: "error",
    plugins: [{ name: "faults", setup: (building) => building.onLoad({ filter: /\.js$/ }, ({ path }) => ({ contents: texts.get(basename(path)) })) }],
  });
}

/** File → text. */
async function read(folder) {
  const names = (await readdir(folder)).filter((name) => name.endsWith(".js"));
  return new Map(await Promise.all(names.map(async (name) => [name, await readFile(join(folder, name), "utf8")])));
}

/** What is to be found must be there once, in whatever file, so that a fault cannot vanish as the SDK changes. */
export function edited(texts, { find, replace }) {
  const places = [...texts].flatMap(([name, text]) => Array(text.split(find).length - 1).fill(name));
  if (places.length !== 1) throw new Error(`the fault does not apply: the source has ${JSON.stringify(find)} ${places.length} times, not once`);
  const [name] = places;
  return new Map(texts).set(name, texts.get(name).replace(find, () => replace));
}
