// Finds connections that are dead although nobody closed them: a network that vanishes tells nobody.

export class Heartbeat {
  #ping;
  #heardAt;
  #died;
  #everyMs;
  #timer = null;
  /** The latest check; one that it overtook says nothing any more. */
  #check = null;

  /** `ping(options)` rejects with `timeout` without an answer; `heardAt()` is when anything was received; `died()` ends it. */
  constructor({ ping, heardAt, died, everyMs }) {
    this.#ping = ping;
    this.#heardAt = heardAt;
    this.#died = died;
    this.#everyMs = everyMs;
  }

  start() {
    if (this.#everyMs) this.#timer = setTimeout(() => this.check(), this.#everyMs);
  }

  stop() {
    clearTimeout(this.#timer);
    this.#check = null;
  }

  /** Asks now. */
  async check(timeoutMs) {
    this.stop();
    const check = {};
    this.#check = check;
    const sentAt = performance.now();
    const answered = await this.#ping({ timeoutMs }).then(
      () => true,
      (error) => error.code !== "timeout",
    );
    if (this.#check !== check) return;
    if (answered || this.#heardAt() > sentAt) this.start();
    else this.#died();
  }
}
