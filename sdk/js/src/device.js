// A device as a way to log in.

/** A new device: an id and a secret, at random. Keep it where other programs do not read it; whoever has it has the account. */
export function newDevice() {
  return { device_id: random(16), secret: random(32) };
}

/** So many random bytes, in base64url. */
function random(bytes) {
  const text = btoa(String.fromCharCode(...crypto.getRandomValues(new Uint8Array(bytes))));
  return text.replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}
