import assert from "node:assert/strict";
import { test } from "node:test";
import { matrixOf } from "../judge/matrix.js";

const result = (name, order, outcome, why) => ({ scenario: { name, group: name.split(".")[0], order }, outcome, why });
const run = (sdk, version, ...results) => ({ hello: { sdk, version, platform: "X 1" }, results });

const js = run("js", "1.0.0", result("b.one", 2, "passed"), result("a.one", 1, "passed"), result("a.two", 1, "failed"), result("b.two", 2, "skipped", "cannot: wake"));

test("a row has what passed, failed and was skipped, group by group in the files' order", () => {
  assert.equal(matrixOf([js]), `| SDK | a | b | all |
| --- | --- | --- | --- |
| js 1.0.0 | 1, **1 failed** | 1, 1 skipped | 2, **1 failed**, 1 skipped |

- js 1.0.0 on X 1
  - skipped, cannot: wake: \`b.two\``);
});

test("a further run replaces the rows of its SDKs alone, also of other versions", () => {
  const dart = run("dart", "0.1.0", result("a.one", 1, "passed"), result("b.one", 2, "passed"));
  const newer = run("js", "1.1.0", result("a.one", 1, "passed"), result("b.one", 2, "passed"));
  const both = matrixOf([dart], matrixOf([js]));
  assert.match(both, /\| dart 0\.1\.0 \| 1 \| 1 \| 2 \|\n\| js 1\.0\.0 /);
  const renewed = matrixOf([newer], both);
  assert.match(renewed, /\| dart 0\.1\.0 \| 1 \| 1 \| 2 \|\n\| js 1\.1\.0 \| 1 \| 1 \| 2 \|/);
  assert.doesNotMatch(renewed, /1\.0\.0|wake/);
  assert.match(renewed, /- dart 0\.1\.0 on X 1\n- js 1\.1\.0 on X 1$/);
});

test("rows of a table with other groups are not taken over", () => {
  const other = run("dart", "0.1.0", result("c.one", 3, "passed"));
  assert.doesNotMatch(matrixOf([other], matrixOf([js])), /\| js/);
});
