// JSON over HTTP, with failures turned into GodraErrors.

import { GodraError, errorOfResponse, retryAfterOf } from "./errors.js";
import { parseJson } from "./util.js";

const REQUEST_TIMEOUT_MS = 10_000;

export class Http {
  #base;
  #fetch;
  #timeoutMs;

  constructor(base, options) {
    this.#base = base;
    this.#fetch = options.fetch ?? ((...args) => globalThis.fetch(...args));
    this.#timeoutMs = options.requestTimeoutMs ?? REQUEST_TIMEOUT_MS;
  }

  async post(path, body, token) {
    const headers = { "Content-Type": "application/json" };
    return this.#json(path, { method: "POST", headers, body: JSON.stringify(body) }, token);
  }

  async get(path, token) {
    return this.#json(path, { method: "GET", headers: {} }, token);
  }

  /** The object that is answered; null with 204. */
  async #json(path, init, token) {
    if (token) init.headers.Authorization = `Bearer ${token}`;
    const response = await this.#send(path, init);
    if (!response.ok) throw errorOfResponse(response);
    if (response.status === 204) return null;
    if (typeof response.body !== "object" || response.body === null) {
      throw new GodraError("bad_response", `The answer to ${path} is not a JSON object`, { status: response.status });
    }
    return response.body;
  }

  /** Whether the server takes players, and in how many seconds it may, where it says so. */
  async readiness() {
    return this.#send("ready", { method: "GET" }).then(
      ({ ok, headers }) => ({ isReady: ok, retryAfter: retryAfterOf(headers) }),
      () => ({ isReady: false }),
    );
  }

  // The time limit covers the body, too.
  async #send(path, init) {
    const signal = AbortSignal.timeout(this.#timeoutMs);
    try {
      const response = await this.#fetch(new URL(path, this.#base).href, { ...init, signal, credentials: "omit" });
      const text = await response.text();
      return { ok: response.ok, status: response.status, headers: response.headers, body: parseJson(text) };
    } catch (cause) {
      if (signal.aborted) throw new GodraError("timeout", `No answer to ${path} within ${this.#timeoutMs} ms`, { cause });
      throw new GodraError("unavailable", `The server at ${this.#base.origin} cannot be reached`, { cause });
    }
  }
}
