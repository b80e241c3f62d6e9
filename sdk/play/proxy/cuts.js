// When a connection is to be cut: after so many bytes, or at a marker. Each rule works once, on the first connection that fits.

/** After `bytes` bytes of one connection, counted from now on. */
export function afterBytes(bytes) {
  const passed = new WeakMap();
  return (connection, chunk) => {
    const before = passed.get(connection) ?? 0;
    passed.set(connection, before + chunk.length);
    return before + chunk.length >= bytes ? bytes - before : null;
  };
}

/** Where `marker` comes: such that it does not arrive whole, or right behind it. */
export function atMarker(marker, { after = false } = {}) {
  const wanted = Buffer.from(marker);
  const tails = new WeakMap();
  return (connection, chunk) => {
    const tail = tails.get(connection) ?? Buffer.alloc(0);
    const seen = Buffer.concat([tail, chunk]);
    const at = seen.indexOf(wanted);
    tails.set(connection, seen.subarray(Math.max(0, seen.length - wanted.length + 1)));
    if (at < 0) return null;
    return Math.max(0, at - tail.length + (after ? wanted.length : 0));
  };
}
