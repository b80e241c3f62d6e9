// Bundles src/: `npm run build`. Servers serve godra.js, which is small; the package holds dist/, which is readable.

import { mkdir, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const BANNER = "// The Godra SDK. Made from src/ by `npm run build`: change it there.";
const READABLE = { minify: false };
/** Errors and rooms are the main module's own, also where another one makes them. */
const SHARED = {
  name: "shared",
  setup: ({ onResolve }) => onResolve({ filter: /^\.\/index\.js$/ }, () => ({ path: "./godra.js", external: true })),
};

/** What is built: file → its text. */
export async function bundles() {
  return {
    "godra.js": await bundle(),
    "dist/godra.js": await bundle(READABLE),
    "dist/lobby.js": await bundle({ ...READABLE, entryPoints: ["src/lobby.js"] }),
    "dist/players.js": await bundle({ ...READABLE, entryPoints: ["src/players.js"], plugins: [SHARED] }),
    "dist/testing.js": await bundle({ ...READABLE, entryPoints: ["src/testing.js"], plugins: [SHARED] }),
  };
}

/** The bundle's text. */
export async function bundle(options = {}) {
  const { outputFiles } = await build({
    absWorkingDir: fileURLToPath(new URL(".", import.meta.url)),
    entryPoints: ["src/index.js"],
    bundle: true,
    format: "esm",
    target: "es2022",
    minify: true,
    // Texts for people stay as they are.
    charset: "utf8",
    banner: { js: BANNER },
    write: false,
    ...options,
  });
  return outputFiles[0].text;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await mkdir(new URL("dist", import.meta.url), { recursive: true });
  for (const [name, text] of Object.entries(await bundles())) await writeFile(new URL(name, import.meta.url), text);
}
