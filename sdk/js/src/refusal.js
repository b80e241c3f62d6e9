// Why a WebSocket did not come to its welcome.

import { GodraError, codeOfStatus, errorOfClose, errorOfRefusal } from "./errors.js";

/** A server that is up and says no with these will rarely change its mind: the lobby is gone, or full. */
const REFUSALS = new Set([
  "refused",
  "unauthorized",
  "token_expired",
  "session_ended",
  "forbidden",
  "bad_request",
  "not_found",
  "conflict",
]);
const FINAL = [400, 403, 404];
const CLOSED_FOR_NOW = 4005;
const CLOSED_FOR_GOOD = 4505;
const REFUSED =
  "The server is up, but refused the WebSocket. Browsers do not say why: the token may have expired, or the lobby is full or does not exist. lobby.joinLobby() tells the reason";
const HINTS = {
  401: ": the token is not valid (any more)",
  403: ": the lobby is full or does not exist, or its script said no",
  503: ": it is full, or stopping",
};

/** Whether another token is needed. */
export function isOfToken({ status, code }) {
  return status === 401 || ["unauthorized", "token_expired", "session_ended"].includes(code);
}

export function isRefusal(error) {
  return REFUSALS.has(error.code);
}

/** Whether asking again is of no use. */
export function isFinal({ status, closeCode, code }) {
  return FINAL.includes(status) || closeCode === CLOSED_FOR_GOOD || code === "no_websocket";
}

/** Whether the server is there, as it said something. */
export function isAnswer(error) {
  return isRefusal(error) || error.status !== undefined || error.retryAfter !== undefined;
}

/** `end` is a link's; `refusal` is what the server said before it, if it did. Browsers hide the answer to a refused WebSocket, so
 *  what can be known is asked for by other ways. */
export async function explain(end, refusal, http) {
  const { code: closeCode, reason, opened } = end;
  if (refusal) return errorOfRefusal(refusal, closeCode);
  if (closeCode === CLOSED_FOR_NOW || closeCode === CLOSED_FOR_GOOD) {
    return errorOfRefusal({ code: reason || "refused", message: `The server refused the WebSocket (${closeCode}: ${reason})` }, closeCode);
  }
  if (opened) return errorOfClose(end, "The server closed the connection before its welcome");
  // The package `ws` does tell: "Unexpected server response: 403".
  const status = Number(/response: (\d{3})/.exec(reason)?.[1]) || undefined;
  if (status) {
    const message = `The server refused the WebSocket with HTTP status ${status}${HINTS[status] ?? ""}`;
    return new GodraError(codeOfStatus(status), message, { status, closeCode, retryAfter: end.retryAfter });
  }
  const { isReady, retryAfter } = await http.readiness();
  if (isReady) return new GodraError("refused", REFUSED, { closeCode });
  return new GodraError("unavailable", "The server cannot be reached, or is not ready", { closeCode, retryAfter });
}
