/** JSON with sorted names: equal values give equal texts, byte for byte. */
export function canonical(value) {
  return JSON.stringify(value, (_, part) => (isObject(part) ? Object.fromEntries(Object.entries(part).sort(byName)) : part));
}

function isObject(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function byName([one], [other]) {
  return one < other ? -1 : 1;
}
