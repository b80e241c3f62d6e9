import assert from "node:assert/strict";
import { test } from "node:test";
import { match, matches } from "../judge/match.js";

test("objects match as subsets, whatever their depth", () => {
  assert.ok(matches({ a: 1, b: { c: 2, d: 3 } }, { b: { c: 2 } }));
  assert.ok(!matches({ a: 1 }, { a: 2 }));
  assert.ok(!matches({}, { a: 1 }));
  assert.ok(!matches(null, {}));
  assert.ok(!matches([], {}));
});

test("lists match entry by entry, and in length", () => {
  assert.ok(matches([{ a: 1, b: 2 }, 3], [{ a: 1 }, 3]));
  assert.ok(!matches([1, 2], [1]));
  assert.ok(!matches([1], [1, 2]));
  assert.ok(!matches({ 0: 1 }, [1]));
});

test("values match only themselves", () => {
  for (const value of [null, 0, "", false, "0", 1]) {
    assert.ok(matches(value, value));
    assert.ok(!matches(undefined, value));
  }
  assert.ok(!matches(0, false));
  assert.ok(!matches("1", 1));
});

const CASES = [
  ["$any", [0, "", false, {}], [undefined, null]],
  ["$absent", [undefined, null], [0, "", false]],
  [{ $between: [1, 2] }, [1, 1.5, 2], [0.9, 2.1, "1", null, undefined, NaN]],
  [{ $whole: true }, [0, 7, 2 ** 53 - 1], [-1, 1.5, 2 ** 53, "7", null]],
  [{ $like: "^a.c$" }, ["abc"], ["abcd", 7, undefined]],
  [{ $one_of: [1, { a: 2 }, "$absent"] }, [1, { a: 2, b: 3 }, undefined], [2, { a: 3 }]],
  [{ $not: { $like: "x" } }, ["abc", undefined], ["axc"]],
  [{ $exactly: { a: [1] } }, [{ a: [1] }], [{ a: [1], b: 2 }, { a: [1, 2] }]],
  [{ $size: 2 }, [[1, 2], { a: 1, b: 2 }], [[1], "ab", null]],
  [{ $counts: 3 }, [[0, 1, 2]], [[0, 1], [0, 1, 3], {}]],
];

for (const [condition, good, bad] of CASES) {
  test(`the condition ${JSON.stringify(condition)}`, () => {
    for (const value of good) assert.ok(matches({ it: value }, { it: condition }), `${JSON.stringify(value)} should match`);
    for (const value of bad) assert.ok(!matches({ it: value }, { it: condition }), `${JSON.stringify(value)} should not match`);
  });
}

test("a condition that nobody knows is the scenario's mistake", () => {
  assert.throws(() => match(1, { $betwen: [1, 2] }), /unknown condition: \$betwen/);
});

test("names that objects inherit are data", () => {
  assert.ok(matches(JSON.parse('{"__proto__":{"x":1}}'), JSON.parse('{"__proto__":{"x":1}}')));
  assert.ok(!matches({}, JSON.parse('{"__proto__":{"x":1}}')));
  assert.ok(!matches({}, { toString: "$any" }));
  assert.ok(matches("__proto__", "__proto__"));
});

test("a failure says where and what", () => {
  assert.throws(() => match({ a: [{ b: 1 }] }, { a: [{ b: 2 }] }, "the message"), /^Error: the message\.a\[0\]\.b is 1, wanted 2$/);
});
