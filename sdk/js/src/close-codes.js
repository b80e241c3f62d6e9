// Which close codes a client comes back from (sdk/PROTOCOL.md).

const GOING_AWAY = 1001;
export const TOKEN_EXPIRED = 4001;
const RATE_LIMITED = 4003;

/** Whether a client should come back after this close code (sdk/PROTOCOL.md). */
export function comesBack(code) {
  // 1005 and 1012–1014 never come from the server itself, but from proxies in front of it.
  return [GOING_AWAY, 1005, 1006, 1011, 1012, 1013, 1014].includes(code) || (code >= 4000 && code <= 4499);
}

/** Whether haste would do harm: many come back at once, or this one was in too much of a hurry. */
export function isGentle(code) {
  return code === GOING_AWAY || code === RATE_LIMITED;
}
