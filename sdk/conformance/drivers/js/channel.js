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
    this.#waiting.push(textOf(report));
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
      const texts = this.#waiting.splice(0);
      await fetch(this.#url, { method: "POST", body: `[${texts.join(",")}]` });
    }
  }
}

/** What is read without recursion may be nested too deep to be written. */
function textOf(report) {
  try {
    return JSON.stringify(report);
  } catch (error) {
    return JSON.stringify({ ...report, payload: `unreportable: ${error.message}` });
  }
}

export function errorReport(error) {
  // An SDK fails with its own type alone: anything else is a fault.
  if (error.name !== "GodraError") return { code: `not a GodraError: ${error.name}`, message: `${error.stack}` };
  const { code, kind, message, status, details, retryAfter, closeCode, outcome, retryable } = error;
  return { code, kind, message, status, details, retry_after: retryAfter, close_code: closeCode, outcome, retryable };
}
