// Why something failed: the one type of error that the SDK has, and how each source of errors becomes one.

const KINDS = {
  network: ["timeout", "unavailable", "disconnected", "refused", "closed"],
  session: ["unauthorized", "token_expired", "session_ended"],
  protocol: ["bad_response", "bad_message", "unsupported"],
  usage: ["bad_request", "too_large", "queue_full", "cancelled", "no_websocket"],
  server: ["forbidden", "not_found", "conflict", "out_of_order", "rate_limited", "busy"],
};
/** Another try may go better. */
const PASSING = [...KINDS.network, "out_of_order", "rate_limited", "busy", "queue_full"];

/** Everything that fails here fails with this. `code` is for programs, `message` for people. */
export class GodraError extends Error {
  constructor(code, message, { kind, status, details, retryAfter, closeCode, outcome, cause } = {}) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = "GodraError";
    this.code = code;
    this.kind = kind ?? kindOf(code);
    this.status = status;
    this.details = details;
    this.retryAfter = retryAfter;
    this.closeCode = closeCode;
    this.outcome = outcome;
  }

  /** Whether the same call may go better later. */
  get retryable() {
    return PASSING.includes(this.code);
  }
}

function kindOf(code) {
  return Object.keys(KINDS).find((kind) => KINDS[kind].includes(code)) ?? "script";
}

/** What the server itself says is never the network's fault. */
function kindOfServers(code) {
  const kind = kindOf(code);
  return kind === "network" ? "server" : kind;
}

export function errorOfResponse({ status, headers, body }) {
  const error = body?.error ?? {};
  const code = isText(error.code) ? error.code : codeOfStatus(status);
  return new GodraError(code, isText(error.message) ? error.message : `HTTP status ${status}`, {
    kind: kindOfServers(code),
    status,
    details: error.details,
    retryAfter: retryAfterOf(headers),
    outcome: outcomeOf(code, headers.get("Godra-Script") !== null),
  });
}

/** The seconds that the server asks to wait; undefined if it does not. */
export function retryAfterOf(headers) {
  return secondsOf(headers.get("Retry-After"));
}

export function secondsOf(text) {
  const seconds = /^\d+$/.test(text) ? Number(text) : Math.ceil((Date.parse(text) - Date.now()) / 1000);
  return Number.isNaN(seconds) ? undefined : Math.max(0, seconds);
}

/** For answers that are not the server's own, but a proxy's. */
export function codeOfStatus(status) {
  const codes = { 400: "bad_request", 401: "unauthorized", 403: "forbidden", 404: "not_found", 409: "conflict", 413: "too_large", 429: "rate_limited" };
  return codes[status] ?? (status >= 500 ? "unavailable" : "bad_response");
}

/** The server says with these that an input did not run. With `unavailable` nobody knows. */
const NOT_RUN = [...KINDS.session, ...KINDS.server.filter((code) => code !== "conflict"), "bad_request"];

/** The answer to an input. */
export function errorOfPayload({ code, message, details }) {
  return new GodraError(code, message, { kind: kindOfServers(code), details, outcome: outcomeOf(code) });
}

function outcomeOf(code, hasRun = !NOT_RUN.includes(code)) {
  return code === "unavailable" ? "unknown" : hasRun ? "ran" : "none";
}

/** What a WebSocket says that is not let in. */
export function errorOfRefusal({ code, message, details, status, retry_after: seconds }, closeCode) {
  const retryAfter = seconds >= 0 && Number.isFinite(seconds) ? seconds : undefined;
  return new GodraError(code, message, { kind: kindOfServers(code), details, status, retryAfter, closeCode });
}

/** The end of a connection. A ban tells its end as one does by HTTP. */
export function errorOfClose({ code: closeCode, reason }, what = "The connection was lost") {
  const [, until, words] = /^banned(?: until (\d+))?(?:: (.*))?$/s.exec(closeCode === 4501 ? reason : "") ?? [];
  const details = closeCode === 4501 ? { until: until ? Number(until) : null, reason: words ?? "" } : undefined;
  const error = new GodraError("disconnected", `${what} (${closeCode}${reason ? `: ${reason}` : ""})`, { closeCode, details });
  return Object.assign(error, { closeReason: reason });
}

export function cancelled(message = "Closed before the connection was made") {
  return new GodraError("cancelled", message);
}

export function isText(value) {
  return typeof value === "string";
}
