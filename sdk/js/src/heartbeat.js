// Finds connections that are dead although nobody closed them: a network that vanishes tells nobody.

export class Heartbeat {
  #env;
  #ping;
  #heardAt;
  #died;
  #everyMs;
  #cancel = () => {};
  /** The latest check; one that it overtook says nothing any more. */
  #check = null;

  /** `ping(options)` rejects with `timeout` without an answer; `heardAt()` is when anything was received; `died()` ends it. */
  constructor(env, { ping, heardAt, died, everyMs }) {
    this.#env = env;
    this.#ping = ping;
    this.#heardAt = heardAt;
    this.#died = died;
    this.#everyMs = everyMs;
  }

  start() {
    if (this.#everyMs) this.#cancel = this.#env.later(() => this.check(), this.#everyMs);
  }

  stop() {
    this.#cancel();
    this.#check = null;
  }

  /** Asks now. */
  async check(timeoutMs) {
    this.stop();
    const check = {};
    this.#check = check;
    const sentAt = this.#env.now();
    const answered = await this.#ping({ timeoutMs }).then(
      () => true,
      (error) => error.code !== "timeout",
    );
    if (this.#check !== check) return;
    if (answered || this.#heardAt() > sentAt) this.start();
    else this.#died();
  }
}
