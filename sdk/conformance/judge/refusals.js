// How a server says no to a WebSocket, by HTTP or by a close.

const CODES = { 400: "bad_request", 401: "token_expired", 403: "forbidden", 404: "not_found", 409: "conflict", 429: "rate_limited", 500: "script_error" };

function errorOf({ status, code = CODES[status] ?? "unavailable", message = `refused with ${status}`, details }) {
  return { code, message, ...(details === undefined ? {} : { details }) };
}

/** `body` takes the place of the error, for answers that are a proxy's. */
export function refusalAnswer(refusal) {
  const { status, retry_after, headers = {}, body = JSON.stringify({ error: errorOf(refusal) }) } = refusal;
  const all = { "Content-Length": Buffer.byteLength(body), "Content-Type": "application/json", Connection: "close", ...headers };
  if (retry_after !== undefined) all["Retry-After"] = retry_after;
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  return `HTTP/1.1 ${status} Refused\r\n${lines.join("")}\r\n${body}`;
}

export function refusalByClose(peer, refusal) {
  const { status, retry_after } = refusal;
  const error = errorOf(refusal);
  const after = retry_after === undefined ? {} : { retry_after };
  peer.send({ type: "error", payload: { ...error, status, ...after } });
  const mayDoBetter = status === 429 || status >= 500 || error.code === "token_expired";
  peer.close(mayDoBetter ? 4005 : 4505, error.code);
}
