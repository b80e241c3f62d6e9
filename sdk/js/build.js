// Bundles src/ into godra.js, the one file that servers serve and packages hold. `npm run build` writes it.

import { writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const BANNER = "// The Godra SDK. Made from src/ by `npm run build`: change it there.";

/** The bundle's text. */
export async function bundle(options = {}) {
  const { outputFiles } = await build({
    absWorkingDir: fileURLToPath(new URL(".", import.meta.url)),
    entryPoints: ["src/index.js"],
    bundle: true,
    format: "esm",
    target: "es2022",
    // Texts for people stay as they are.
    charset: "utf8",
    banner: { js: BANNER },
    write: false,
    ...options,
  });
  return outputFiles[0].text;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await writeFile(new URL("godra.js", import.meta.url), await bundle());
