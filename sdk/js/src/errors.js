// Why something failed: the one type of error that the SDK has, and how each source of errors becomes one.

/** Everything that fails here fails with this. `code` is for programs, `message` for people. */
export class GodraError extends Error {
  constructor(code, message, { status, details, retryAfter, closeCode, cause } = {}) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = "GodraError";
    this.code = code;
    this.status = status;
    this.details = details;
    this.retryAfter = retryAfter;
    this.closeCode = closeCode;
  }
}

export function errorOfResponse({ status, headers, body }) {
  const error = body?.error ?? {};
  const retryAfter = Number.parseInt(headers.get("Retry-After"), 10);
  return new GodraError(error.code ?? codeOfStatus(status), error.message ?? `HTTP status ${status}`, {
    status,
    details: error.details,
    retryAfter: Number.isNaN(retryAfter) ? undefined : retryAfter,
  });
}

/** For answers that are not the server's own, but a proxy's. */
export function codeOfStatus(status) {
  const codes = { 400: "bad_request", 401: "unauthorized", 403: "forbidden", 404: "not_found", 409: "conflict", 413: "too_large", 429: "rate_limited" };
  return codes[status] ?? (status >= 500 ? "unavailable" : "bad_response");
}

export function errorOfPayload(payload) {
  return new GodraError(payload?.code ?? "error", payload?.message ?? "The server reported an error", { details: payload?.details });
}

export function cancelled() {
  return new GodraError("cancelled", "Closed before the connection was made");
}
