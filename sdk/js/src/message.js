// Text to messages, and back. Nothing that comes out of here has another shape than sdk/PROTOCOL.md says.

import { GodraError, isText } from "./errors.js";

/** More than the server ever sends: bytes, and levels of arrays and objects. */
const MAX_FRAME = 16 << 20;
const MAX_DEPTH = 256;

export const isWhole = (value) => Number.isSafeInteger(value) && value >= 0;
const maybe = (is) => (value) => value === undefined || is(value);
const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);
const isNumber = (value) => typeof value === "number";
const has = (shape) => (value) => isObject(value) && Object.keys(shape).every((key) => shape[key](value[key]));

const SHAPES = new Map(Object.entries({
  welcome: has({
    payload: has({
      user_id: isText,
      username: maybe(isText),
      role: maybe(isText),
      game_id: maybe(isText),
      epoch: maybe(isText),
      seq: maybe(isWhole),
      n: maybe(isWhole),
      recovered: maybe((value) => typeof value === "boolean"),
      sync_interval_ms: maybe(isNumber),
      now: maybe(isNumber),
    }),
  }),
  reply: has({ id: isWhole }),
  error: has({ id: maybe(isWhole), n: maybe(isWhole), payload: has({ code: isText, message: isText }) }),
  snapshot: has({ seq: isWhole, epoch: maybe(isText) }),
  batch: () => false,
}));
const isEvent = (message) => message.seq === undefined || isWhole(message.seq);

/** Each message of a frame, in order; a GodraError in the place of what makes no sense. */
export function* messagesOf(data) {
  const size = data.length ?? data.byteLength;
  if (size > MAX_FRAME) {
    yield bad(`The server sent a message of ${size} bytes`);
    return;
  }
  let message;
  try {
    const text = isText(data) ? data : new TextDecoder("utf-8", { fatal: true }).decode(data);
    if (text.length < MAX_DEPTH || !isDeep(text)) message = JSON.parse(text);
  } catch {
    // Told below.
  }
  if (message === undefined) {
    yield bad("The server sent a message that is not JSON, or too deep");
    return;
  }
  if (message?.type !== "batch" || !Array.isArray(message.events)) yield checked(message);
  else for (const event of message.events) yield event?.type === "welcome" ? bad("The server sent a welcome in a batch", event) : checked(event);
}

/** Readers that go down by recursion would break on it, the game's own among them. */
function isDeep(text) {
  let depth = 0;
  for (let at = 0; at < text.length; at += 1) {
    const char = text.charCodeAt(at);
    if (char === 0x22) {
      for (at += 1; at < text.length && text.charCodeAt(at) !== 0x22; at += 1) if (text.charCodeAt(at) === 0x5c) at += 1;
    } else if (char === 0x7b || char === 0x5b) {
      depth += 1;
      if (depth > MAX_DEPTH) return true;
    } else if (char === 0x7d || char === 0x5d) {
      depth -= 1;
    }
  }
  return false;
}

function checked(message) {
  if (!isObject(message)) return bad("The server sent a message that is not an object", message);
  if (!isText(message.type)) return bad("The server sent a message without a type", message);
  return (SHAPES.get(message.type) ?? isEvent)(message) ? message : bad(`The server sent a ${message.type} of a wrong shape`, message);
}

export function bad(why, details) {
  return new GodraError("bad_message", why, { details });
}

/** An input as it goes out; throws if it cannot. */
export function textOf(input, maxBytes) {
  let text;
  try {
    // A function has no JSON, and would be left out without a word.
    text = JSON.stringify(input.payload) !== undefined && JSON.stringify(input);
  } catch {
    // Told below: a loop, or a bigint.
  }
  const { action } = input;
  if (!text) throw new GodraError("bad_request", `The payload of ${action} cannot be written as JSON`, { outcome: "none" });
  if (text.length * 3 > maxBytes && new TextEncoder().encode(text).length > maxBytes) {
    throw new GodraError("too_large", `${action} has more than ${maxBytes} bytes`, { outcome: "none" });
  }
  return text;
}
