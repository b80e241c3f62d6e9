// Why something failed: the one type of error that the SDK has, and how each source of errors becomes one.

/** Everything that fails here fails with this. `code` is for programs, `message` for people. */
export class GodraError extends Error {
  constructor(code, message, { status, details, retryAfter, closeCode, outcome, cause } = {}) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = "GodraError";
    this.code = code;
    this.status = status;
    this.details = details;
    this.retryAfter = retryAfter;
    this.closeCode = closeCode;
    this.outcome = outcome;
  }
}

export function errorOfResponse({ status, headers, body }) {
  const error = body?.error ?? {};
  return new GodraError(error.code ?? codeOfStatus(status), error.message ?? `HTTP status ${status}`, {
    status,
    details: error.details,
    retryAfter: retryAfterOf(headers),
  });
}

/** The seconds that the server asks to wait; undefined if it does not. */
export function retryAfterOf(headers) {
  const seconds = Number.parseInt(headers.get("Retry-After"), 10);
  return Number.isNaN(seconds) ? undefined : seconds;
}

/** For answers that are not the server's own, but a proxy's. */
export function codeOfStatus(status) {
  const codes = { 400: "bad_request", 401: "unauthorized", 403: "forbidden", 404: "not_found", 409: "conflict", 413: "too_large", 429: "rate_limited" };
  return codes[status] ?? (status >= 500 ? "unavailable" : "bad_response");
}

/** The server says with these that an input did not run. With `unavailable` nobody knows. */
const NOT_RUN = new Set(["bad_request", "forbidden", "not_found", "out_of_order", "rate_limited", "busy"]);

/** The answer to an input. */
export function errorOfPayload(payload) {
  const code = payload?.code ?? "error";
  const outcome = NOT_RUN.has(code) ? "none" : code === "unavailable" ? "unknown" : "ran";
  return new GodraError(code, payload?.message ?? "The server reported an error", { details: payload?.details, outcome });
}

export function cancelled() {
  return new GodraError("cancelled", "Closed before the connection was made");
}
