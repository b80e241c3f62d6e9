// The driver of the JavaScript SDK in a browser.

import { THROWN, drive } from "/js/drive.js";
import * as godra from "/sdk/godra.js";
import * as lobby from "/sdk/lobby.js";

const query = new URLSearchParams(location.search);
const platform = { online: true, visibility: "visible" };
Object.defineProperty(navigator, "onLine", { get: () => platform.online });
Object.defineProperty(document, "visibilityState", { get: () => platform.visibility });

const SIGNALS = {
  online: () => setOnline(true),
  offline: () => setOnline(false),
  hidden: () => setVisibility("hidden"),
  shown: () => setVisibility("visible"),
};

// The platform's way of telling that a handler threw.
addEventListener("error", ({ message, error }) => message.includes(THROWN) || fail(error));
addEventListener("unhandledrejection", ({ reason }) => fail(reason));

const hidden = "browsers hide from pages how a WebSocket was refused";
const hello = {
  sdk: "js-browser",
  version: query.get("version"),
  platform: query.get("browser"),
  can: ["wake", "offline", "tabs", "cancel", "throw", "binary", "surrogates", "reducers", "stats"],
  why: { status: hidden, headers: hidden, ints: "numbers of JavaScript are doubles" },
};
await drive({ control: query.get("control"), hello, sdk: { ...godra, ...lobby }, options: {}, wake: (signal) => SIGNALS[signal]() });
window.finished(0);

function setOnline(isOnline) {
  platform.online = isOnline;
  dispatchEvent(new Event(isOnline ? "online" : "offline"));
}

function setVisibility(state) {
  platform.visibility = state;
  document.dispatchEvent(new Event("visibilitychange"));
}

function fail(error) {
  console.error(`${error?.stack ?? error}`);
  window.finished(1);
}
