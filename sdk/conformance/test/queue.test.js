import assert from "node:assert/strict";
import { test } from "node:test";
import { Queue } from "../judge/queue.js";

test("items go to takers in order, whoever comes first", async () => {
  const queue = new Queue();
  queue.put(1);
  const taken = [queue.take(100, "item"), queue.take(100, "item")];
  queue.put(2);
  assert.deepEqual(await Promise.all(taken), [1, 2]);
});

test("nobody waits for ever, and who gave up gets nothing any more", async () => {
  const queue = new Queue();
  await assert.rejects(queue.take(5, "reply"), /no reply within 5 ms/);
  queue.put(1);
  assert.equal(await queue.take(5, "reply"), 1);
});
