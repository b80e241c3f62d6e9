// What a browser tells a page about network and visibility, for a Node that has none of it. To be imported before the SDK.

const scope = new EventTarget();
const page = Object.assign(new EventTarget(), { visibilityState: "visible" });
const navigator = { onLine: true };

for (const name of ["addEventListener", "removeEventListener"]) globalThis[name] = scope[name].bind(scope);
globalThis.document = page;
// Newer versions have one of their own, which knows nothing of networks.
Object.defineProperty(globalThis, "navigator", { value: navigator, configurable: true });

const SIGNALS = {
  online: () => setOnline(true),
  offline: () => setOnline(false),
  hidden: () => setVisibility("hidden"),
  shown: () => setVisibility("visible"),
};

export function signal(name) {
  SIGNALS[name]();
}

function setOnline(isOnline) {
  navigator.onLine = isOnline;
  scope.dispatchEvent(new Event(isOnline ? "online" : "offline"));
}

function setVisibility(state) {
  page.visibilityState = state;
  page.dispatchEvent(new Event("visibilitychange"));
}
