// The driver of the JavaScript SDK in Node.

import { signal } from "./platform.js";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import { THROWN, drive } from "./drive.js";

const bundle = (name) => import(pathToFileURL(`${process.env.GODRA_JS}/${name}.js`));
const sdk = { ...(await bundle("godra")), ...(await bundle("lobby")) };
const require = createRequire(new URL("../../../js/package.json", import.meta.url));
const { WebSocket } = require("ws");

// The platform's way of telling that a handler threw.
process.on("uncaughtException", (error) => {
  if (error.message === THROWN) return;
  console.error(error);
  process.exit(1);
});

const hello = {
  sdk: "js",
  version: require("./package.json").version,
  platform: `Node ${process.versions.node} with ws`,
  can: ["status", "headers", "wake", "offline", "tabs", "cancel", "throw", "binary", "surrogates", "reducers", "stats"],
  why: { ints: "numbers of JavaScript are doubles" },
};
await drive({ control: process.env.CONTROL, hello, sdk, options: { WebSocket }, wake: signal });
