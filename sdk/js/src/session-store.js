// Where a session is kept. A store has `load()`, `save(session)` and `clear()`, which may be promises, and perhaps `lock(run)`.

import { parseJson } from "./util.js";

/** Forgets with the program. Clients that share one share the session. */
export function memoryStore() {
  let kept = null;
  let last = Promise.resolve();
  return {
    load: () => kept,
    save: (session) => void (kept = session),
    clear: () => void (kept = null),
    lock: (run) => (last = last.then(run, run)),
  };
}

/** The page's own. Tabs share the session, and take turns to refresh it where the browser has locks. */
export function localStorageStore(key = "godra.session") {
  return {
    load: () => parseJson(localStorage.getItem(key)),
    save: (session) => localStorage.setItem(key, JSON.stringify(session)),
    clear: () => localStorage.removeItem(key),
    lock: (run) => (globalThis.navigator?.locks ? navigator.locks.request(key, run) : run()),
  };
}
