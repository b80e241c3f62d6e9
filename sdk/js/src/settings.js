// The options of a client, with what is left out.

import { reportLater, withDefaults } from "./util.js";

const DEFAULTS = {
  requestTimeoutMs: 10_000,
  connectTimeoutMs: 10_000,
  heartbeatMs: 20_000,
  maxBufferedBytes: 1 << 20,
  maxMessageBytes: 1 << 16,
  resume: true,
  onHandlerError: reportLater,
  logger: warn,
};

const RECONNECT_DEFAULTS = {
  firstDelayMs: 200,
  maxDelayMs: 20_000,
  stableMs: 5_000,
  maxRefusals: 1,
};

export function settingsOf(options) {
  const reconnect = options.reconnect === false ? null : withDefaults(RECONNECT_DEFAULTS, options.reconnect);
  return { ...withDefaults(DEFAULTS, options), reconnect };
}

function warn(level, message, fields) {
  if (level === "warn") console.warn(`Godra: ${message}`, fields);
}
