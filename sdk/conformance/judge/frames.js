// Frames of RFC 6455, made and read by hand, so that the server can also send what no proper one would.

export const CONTINUATION = 0;
export const TEXT = 1;
export const BINARY = 2;
export const CLOSE = 8;
export const PING = 9;
export const PONG = 10;

export function frame(opcode, bytes, { fin = true } = {}) {
  const head = Buffer.alloc(bytes.length < 126 ? 2 : bytes.length < 65_536 ? 4 : 10);
  head[0] = (fin ? 0x80 : 0) | opcode;
  if (head.length === 2) {
    head[1] = bytes.length;
  } else if (head.length === 4) {
    head[1] = 126;
    head.writeUInt16BE(bytes.length, 2);
  } else {
    head[1] = 127;
    head.writeBigUInt64BE(BigInt(bytes.length), 2);
  }
  return Buffer.concat([head, bytes]);
}

/** Code and reason; nothing at all for code 1005. */
export function closePayload(code, reason = "") {
  if (code === 1005) return Buffer.alloc(0);
  const bytes = Buffer.alloc(2 + Buffer.byteLength(reason));
  bytes.writeUInt16BE(code);
  bytes.write(reason, 2);
  return bytes;
}

export function readClose(payload) {
  return { code: payload.length >= 2 ? payload.readUInt16BE() : 1005, reason: payload.subarray(2).toString() };
}

/** Takes bytes as they come, and gives whole frames of a client: `{fin, opcode, isMasked, payload}`. */
export class FrameReader {
  #chunks = [];
  #length = 0;

  *read(bytes) {
    this.#chunks.push(bytes);
    this.#length += bytes.length;
    for (let next = this.#next(); next; next = this.#next()) yield next;
  }

  #next() {
    const head = this.#head();
    if (!head || this.#length < head.end) return null;
    const all = this.#joined();
    this.#chunks = [all.subarray(head.end)];
    this.#length = all.length - head.end;
    const payload = Buffer.from(all.subarray(head.payloadAt, head.end));
    const mask = head.isMasked ? all.subarray(head.payloadAt - 4, head.payloadAt) : null;
    if (mask) for (let at = 0; at < payload.length; at += 1) payload[at] ^= mask[at % 4];
    return { fin: (all[0] & 0x80) !== 0, opcode: all[0] & 0x0f, isMasked: head.isMasked, payload };
  }

  #head() {
    if (this.#length < 2) return null;
    if (this.#chunks[0].length < 14) this.#joined();
    const bytes = this.#chunks[0];
    const short = bytes[1] & 0x7f;
    const lengthBytes = short === 126 ? 2 : short === 127 ? 8 : 0;
    const isMasked = (bytes[1] & 0x80) !== 0;
    const payloadAt = 2 + lengthBytes + (isMasked ? 4 : 0);
    if (bytes.length < payloadAt) return null;
    const length = lengthBytes === 0 ? short : lengthBytes === 2 ? bytes.readUInt16BE(2) : Number(bytes.readBigUInt64BE(2));
    return { isMasked, payloadAt, end: payloadAt + length };
  }

  #joined() {
    if (this.#chunks.length > 1) this.#chunks = [Buffer.concat(this.#chunks)];
    return this.#chunks[0];
  }
}
