// Which close codes a client comes back from (sdk/PROTOCOL.md).
// Made by sdk/protocol/generate from sdk/protocol.json: change that, and run it.

/** Nothing is wrong: the client is done. The server sends it only in answer. */
export const NORMAL = 1000;
/** The server is stopping, and takes no new connections. */
export const SHUTTING_DOWN = 1001;
/** A frame broke RFC 6455. */
export const PROTOCOL_ERROR = 1002;
/** A kind of data that the client does not take. */
export const UNSUPPORTED_DATA = 1003;
/** Stands for a close frame without a code. */
export const NO_STATUS = 1005;
/** Stands for an end without a close frame. */
export const BROKEN = 1006;
/** Text was not UTF-8, or what was compressed cannot be decompressed. */
export const INVALID_PAYLOAD = 1007;
/** Something on the way forbids it. */
export const POLICY_VIOLATION = 1008;
/** A message was too large. */
export const MESSAGE_TOO_BIG = 1009;
/** The client needs an extension that the server does not have. */
export const MISSING_EXTENSION = 1010;
/** The server failed, for instance a script on_snapshot. */
export const INTERNAL_ERROR = 1011;
/** Something on the way restarts. */
export const SERVICE_RESTART = 1012;
/** Something on the way has too much to do. */
export const TRY_AGAIN_LATER = 1013;
/** Something on the way does not reach the server. */
export const BAD_GATEWAY = 1014;
/** The client gives up this connection, and comes back by another. */
export const WILL_COME_BACK = 4000;
/** The token is void: after token_expired refresh it, after session_ended log in. */
export const TOKEN_EXPIRED = 4001;
/** The client reads too slowly, or a message of its came too slowly. */
export const SLOW_CONSUMER = 4002;
/** Far too many inputs. */
export const RATE_LIMITED = 4003;
/** No answer to a ping. */
export const NO_PONG = 4004;
/** Not let in for now: the server is full, busy or stopping; after token_expired with a new token. */
export const REFUSED_FOR_NOW = 4005;
/** Removed from the room, or left it by an RPC. */
export const KICKED = 4500;
/** Kept out, for ever or until a time in ms since the Unix epoch. */
export const BANNED = 4501;
/** The same user joined the room by another connection. */
export const REPLACED = 4502;
/** The room is no more: the store has lost its data. */
export const ROOM_CLOSED = 4503;
/** Too many malformed messages. */
export const TOO_MANY_ERRORS = 4504;
/** Not let in; where the refusal's status is 401, first with a new token. */
export const REFUSED = 4505;

const COME_BACK = new Set([SHUTTING_DOWN, NO_STATUS, BROKEN, INTERNAL_ERROR, SERVICE_RESTART, TRY_AGAIN_LATER, BAD_GATEWAY]);

/** Whether a client should come back after this close code. */
export function comesBack(code) {
  return COME_BACK.has(code) || (code >= 4000 && code <= 4499);
}

/** Whether haste would do harm: many come back at once, or this one was in too much of a hurry. */
export function isGentle(code) {
  return code === SHUTTING_DOWN || code === RATE_LIMITED;
}
