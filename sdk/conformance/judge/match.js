// Compares what came with what a scenario wants. Objects match as subsets, so that SDKs may tell more than is asked for.
//
// In what is wanted, an object with one key that begins with `$`, or a text that does, is a condition:
//   "$any"            it is there, and not null
//   "$absent"         it is not there, or null
//   {"$between": [a, b]}   a number within both bounds
//   {"$whole": true}  a whole number from 0 that JavaScript holds exactly
//   {"$like": "…"}    a text that the regular expression finds something in
//   {"$one_of": […]}  one of these
//   {"$not": …}       anything that does not match this
//   {"$exactly": …}   this, without other members
//   {"$size": n}      a list or an object of so many members
//   {"$counts": n}    the list 0, 1, 2 … of so many numbers

import { isDeepStrictEqual } from "node:util";

/** Throws an Error that says where and how the two differ. */
export function match(got, want, at = "it") {
  const condition = conditionOf(want);
  if (condition) CONDITIONS[condition](got, want?.[condition], at);
  else if (Array.isArray(want)) matchList(got, want, at);
  else if (isObject(want)) matchObject(got, want, at);
  else if (got !== want) fail(at, got, text(want));
}

export function matches(got, want) {
  try {
    match(got, want);
    return true;
  } catch {
    return false;
  }
}

function conditionOf(want) {
  if (typeof want === "string") return Object.hasOwn(CONDITIONS, want) ? want : null;
  if (!isObject(want)) return null;
  const keys = Object.keys(want);
  if (keys.length !== 1 || !keys[0].startsWith("$")) return null;
  if (!Object.hasOwn(CONDITIONS, keys[0])) throw new Error(`the scenario uses an unknown condition: ${keys[0]}`);
  return keys[0];
}

const CONDITIONS = {
  $any: (got, _, at) => got ?? fail(at, got, "something"),
  $absent: (got, _, at) => (got ?? null) === null || fail(at, got, "nothing"),
  $between: (got, [low, high], at) =>
    (typeof got === "number" && got >= low && got <= high) || fail(at, got, `a number from ${low} to ${high}`),
  $whole: (got, _, at) => (Number.isSafeInteger(got) && got >= 0) || fail(at, got, "a whole number"),
  $like: (got, pattern, at) => (typeof got === "string" && new RegExp(pattern, "u").test(got)) || fail(at, got, `a text like /${pattern}/`),
  $one_of: (got, list, at) => list.some((one) => matches(got, one)) || fail(at, got, `one of ${text(list)}`),
  $not: (got, not, at) => !matches(got, not) || fail(at, got, `anything but ${text(not)}`),
  $exactly: (got, want, at) => isDeepStrictEqual(got, want) || fail(at, got, `exactly ${text(want)}`),
  $counts: (got, count, at) => isDeepStrictEqual(got, [...Array(count).keys()]) || fail(at, got, `the numbers from 0 to ${count - 1}`),
  $size: (got, size, at) => (got !== null && typeof got === "object" && Object.keys(got).length === size) || fail(at, got, `${size} members`),
};

function matchList(got, want, at) {
  if (!Array.isArray(got)) fail(at, got, "a list");
  if (got.length !== want.length) fail(at, got, `${want.length} entries`);
  want.forEach((entry, index) => match(got[index], entry, `${at}[${index}]`));
}

function matchObject(got, want, at) {
  if (!isObject(got)) fail(at, got, "an object");
  for (const [key, value] of Object.entries(want)) {
    match(Object.hasOwn(got, key) ? got[key] : undefined, value, `${at}.${key}`);
  }
}

function fail(at, got, wanted) {
  throw new Error(`${at} is ${text(got)}, wanted ${wanted}`);
}

function isObject(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function text(value) {
  const all = JSON.stringify(value) ?? "missing";
  return all.length > 300 ? `${all.slice(0, 300)}… (${all.length} characters)` : all;
}
