// What the platform says of the network and the page. Node says nothing.

/** Whether the platform says that there is no network. */
export function isOffline() {
  return globalThis.navigator?.onLine === false;
}

/** Calls back when network or page return; gives back a function that ends it. */
export function onWake(callback, scope = globalThis) {
  const page = scope.document;
  const shown = () => page.visibilityState === "visible" && callback();
  const sources = [
    [scope, "online", callback],
    // A page that comes out of the browser's back/forward cache has lost its sockets.
    [scope, "pageshow", callback],
    [page, "visibilitychange", shown],
  ].filter(([target]) => typeof target?.addEventListener === "function");
  for (const [target, name, listener] of sources) target.addEventListener(name, listener);
  return () => {
    for (const [target, name, listener] of sources) target.removeEventListener(name, listener);
  };
}
