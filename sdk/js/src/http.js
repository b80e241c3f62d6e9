// JSON over HTTP, with failures turned into GodraErrors.

import { GodraError, cancelled, errorOfResponse, retryAfterOf } from "./errors.js";
import { onAbort, parseJson } from "./util.js";

const REQUEST_TIMEOUT_MS = 10_000;

export class Http {
  #base;
  #fetch;
  #timeoutMs;
  #underWay = new Set();

  /** `base` ends with a slash. */
  constructor(base, options) {
    this.#base = base;
    this.#fetch = options.fetch ?? ((...args) => globalThis.fetch(...args));
    this.#timeoutMs = options.requestTimeoutMs ?? REQUEST_TIMEOUT_MS;
  }

  /** `limits`: `{signal, timeoutMs}` */
  async post(path, body, token, limits) {
    return this.#json(path, withBody("POST", body), token, limits);
  }

  async patch(path, body, token) {
    return this.#json(path, withBody("PATCH", body), token);
  }

  async delete(path, body, token) {
    return this.#json(path, withBody("DELETE", body), token);
  }

  async get(path, token) {
    return this.#json(path, { method: "GET", headers: {} }, token);
  }

  /** Whether the server takes players, and in how many seconds it may, where it says so. */
  async readiness() {
    return this.#send("ready", { method: "GET" }).then(
      ({ ok, headers }) => ({ isReady: ok, retryAfter: retryAfterOf(headers) }),
      () => ({ isReady: false }),
    );
  }

  /** Cancels all calls that are under way. */
  close() {
    for (const cancel of this.#underWay) cancel();
  }

  /** The object that is answered; null with 204. */
  async #json(path, init, token, limits) {
    if (token) init.headers.Authorization = `Bearer ${token}`;
    const response = await this.#send(path, init, limits);
    if (!response.ok) throw errorOfResponse(response);
    if (response.status === 204) return null;
    if (typeof response.body !== "object" || response.body === null) {
      throw new GodraError("bad_response", `The answer to ${path} is not a JSON object`, { status: response.status, outcome: "unknown" });
    }
    return response.body;
  }

  // The time limit covers the body, too.
  async #send(path, init, { signal, timeoutMs = this.#timeoutMs } = {}) {
    const abort = new AbortController();
    let why = null;
    const stop = (error) => {
      why ??= error;
      abort.abort();
    };
    const cancel = () => stop(cancelled(`The call of ${path} was cancelled`));
    const timer = setTimeout(() => stop(new GodraError("timeout", `No answer to ${path} within ${timeoutMs} ms`)), timeoutMs);
    const unwatch = onAbort(signal, cancel);
    this.#underWay.add(cancel);
    try {
      // A redirect would take the token to where the game did not send it.
      const more = { signal: abort.signal, credentials: "omit", redirect: "manual" };
      const response = await this.#fetch(this.#base + path, { ...init, ...more });
      const text = await response.text();
      return { ok: response.ok, status: response.status, headers: response.headers, body: parseJson(text) };
    } catch (cause) {
      throw Object.assign(why ?? new GodraError("unavailable", `The server at ${this.#base} cannot be reached`, { cause }), { outcome: "unknown" });
    } finally {
      clearTimeout(timer);
      unwatch();
      this.#underWay.delete(cancel);
    }
  }
}

function withBody(method, body) {
  return { method, headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) };
}
