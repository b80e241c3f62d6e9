// Why a WebSocket did not come to its welcome.

import { GodraError, codeOfStatus } from "./errors.js";

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
const REFUSED =
  "The server is up, but refused the WebSocket. Browsers do not say why: the token may have expired, or the lobby is full or does not exist. lobby.joinLobby() tells the reason";
const HINTS = {
  401: ": the token is not valid (any more)",
  403: ": the lobby is full or does not exist, or its script said no",
  503: ": it is full, or stopping",
};

const OF_TOKEN = new Set(["unauthorized", "token_expired", "session_ended"]);

/** Whether another token is needed. */
export function isOfToken(error) {
  return OF_TOKEN.has(error.code);
}

export function isRefusal(error) {
  return REFUSALS.has(error.code);
}

/** Whether the server is there, as it said something. */
export function isAnswer(error) {
  return isRefusal(error) || error.status !== undefined || error.retryAfter !== undefined;
}

/** Browsers hide the answer to a refused WebSocket, so what can be known is asked for by other ways. */
export async function explain({ code, reason, opened, timedOut }, http) {
  const closeCode = code;
  if (timedOut) return new GodraError("timeout", reason, { closeCode });
  if (opened) {
    const why = reason ? `: ${reason}` : "";
    return new GodraError("closed", `The server closed the connection before its welcome (${code}${why})`, { closeCode });
  }
  // The package `ws` does tell: "Unexpected server response: 403".
  const status = Number(/response: (\d{3})/.exec(reason)?.[1]) || undefined;
  if (status) {
    const message = `The server refused the WebSocket with HTTP status ${status}${HINTS[status] ?? ""}`;
    return new GodraError(codeOfStatus(status), message, { status, closeCode });
  }
  const { isReady, retryAfter } = await http.readiness();
  if (isReady) return new GodraError("refused", REFUSED, { closeCode });
  return new GodraError("unavailable", "The server cannot be reached, or is not ready", { closeCode, retryAfter });
}
