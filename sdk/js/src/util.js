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
