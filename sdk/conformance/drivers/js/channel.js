// The control channel, from the driver's side.

/** Reports go out one POST at a time, so that they arrive in order; what piles up meanwhile goes together. */
export class Channel {
  #url;
  #waiting = [];
  #sending = null;

  constructor(url) {
    this.#url = url;
  }

  tell(report) {
    this.#waiting.push(report);
    this.#sending ??= this.#send().finally(() => (this.#sending = null));
  }

  /** Commands as they come. */
  async *commands() {
    for (;;) {
      const response = await fetch(this.#url);
      if (response.status === 200) yield await response.json();
    }
  }

  /** Resolves when all is sent. */
  async sent() {
    await this.#sending;
  }

  async #send() {
    while (this.#waiting.length > 0) {
      const reports = this.#waiting.splice(0);
      await fetch(this.#url, { method: "POST", body: JSON.stringify(reports) });
    }
  }
}

export function errorReport(error) {
  const { code, kind, message, status, details, retryAfter, closeCode, outcome, retryable } = error;
  // Whatever is not the SDK's own error is a fault: an SDK fails with its own type alone.
  if (error.name !== "GodraError") return { code: `not a GodraError: ${error.name}`, message: `${error.stack}` };
  return { code, kind, message, status, details, retry_after: retryAfter, close_code: closeCode, outcome, retryable };
}
