import assert from "node:assert/strict";
import { test } from "node:test";
import { FrameReader, TEXT, closePayload, frame, readClose } from "../judge/frames.js";

/** As a client sends it: masked. */
function masked(opcode, payload, fin = true) {
  const plain = frame(opcode, payload, { fin });
  const head = plain.subarray(0, plain.length - payload.length);
  head[1] |= 0x80;
  const mask = Buffer.from([1, 2, 3, 4]);
  return Buffer.concat([head, mask, payload.map((byte, at) => byte ^ mask[at % 4])]);
}

for (const size of [0, 1, 125, 126, 65_535, 65_536, 200_000]) {
  test(`a frame of ${size} bytes is read, in whatever pieces it comes`, () => {
    const payload = Buffer.alloc(size, "abcdefg");
    const bytes = masked(TEXT, payload);
    for (const piece of [1, 3, 1_000, bytes.length].filter((one) => bytes.length / one < 5_000)) {
      const reader = new FrameReader();
      const found = [];
      for (let at = 0; at < bytes.length; at += piece) found.push(...reader.read(bytes.subarray(at, at + piece)));
      assert.equal(found.length, 1);
      assert.deepEqual({ ...found[0], payload: null }, { fin: true, opcode: TEXT, isMasked: true, payload: null });
      assert.ok(found[0].payload.equals(payload));
    }
  });
}

test("several frames in one piece are all read", () => {
  const bytes = Buffer.concat([masked(TEXT, Buffer.from("a")), masked(TEXT, Buffer.from("b"), false), masked(TEXT, Buffer.from("c"))]);
  assert.deepEqual([...new FrameReader().read(bytes)].map(({ payload, fin }) => [payload.toString(), fin]), [["a", true], ["b", false], ["c", true]]);
});

test("a close has code and reason; 1005 has nothing", () => {
  assert.deepEqual(readClose(closePayload(4500, "sei nett, Änne")), { code: 4500, reason: "sei nett, Änne" });
  assert.equal(closePayload(1005).length, 0);
  assert.deepEqual(readClose(Buffer.alloc(0)), { code: 1005, reason: "" });
});
