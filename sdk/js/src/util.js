// Small things that several modules need.

/** A callback's mistake must not keep others from being called, nor go unseen. */
export function reportLater(error) {
  if (typeof globalThis.reportError === "function") globalThis.reportError(error);
  else queueMicrotask(() => { throw error; });
}

export function withDefaults(defaults, given) {
  const known = Object.keys(defaults).filter((key) => given?.[key] !== undefined);
  return { ...defaults, ...Object.fromEntries(known.map((key) => [key, given[key]])) };
}

export function parseJson(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** The platform's clock, which never jumps, and its timers. Tests have others. */
export const PLATFORM = {
  now: () => performance.now(),
  later(run, delayMs) {
    const timer = setTimeout(run, delayMs);
    return () => clearTimeout(timer);
  },
  random: Math.random,
};

/** Calls back when the signal aborts, or at once if it has; gives back a function that ends it. */
export function onAbort(signal, callback) {
  if (signal?.aborted) callback();
  else signal?.addEventListener("abort", callback);
  return () => signal?.removeEventListener("abort", callback);
}
