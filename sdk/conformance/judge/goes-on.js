// After whatever a server may have done to a client: it is alive, and hears what comes next, on this connection or on a new one.

import { matches } from "./match.js";

const LIMIT_MS = 8_000;
const TURN_MS = 150;

export const goesOnStep = {
  /**
   * {"goes_on": true, "reports": "bad_message", "client": …}: an event sent now arrives. On the way there the client may report
   * errors (with `reports`, one of this code must have come), ask for a snapshot, and come back by another connection; it may
   * not hand on anything else, or give up.
   */
  async goes_on(stage, step) {
    const trial = new Trial(stage, step);
    const deadline = performance.now() + (step.within ?? LIMIT_MS);
    while (!trial.isOver) {
      if (performance.now() > deadline) throw new Error(`the client hears nothing any more; it reported: ${JSON.stringify(trial.reports)}`);
      await trial.turn();
    }
  },
};

class Trial {
  #stage;
  #client;
  #wanted;
  #isAlive = false;
  #seq = 1_000_000;
  reports = [];

  constructor(stage, { client = "c", reports = null }) {
    this.#stage = stage;
    this.#client = client;
    this.#wanted = reports;
  }

  get isOver() {
    return this.#isAlive && (this.#wanted === null || this.reports.some(({ code }) => code === this.#wanted));
  }

  async turn() {
    this.#takeAttempts();
    this.#answer();
    if (!this.#isAlive) this.#stage.peer().send({ type: "alive", payload: this.#seq, seq: (this.#seq += 1) });
    const report = await this.#stage.seenBy(this.#client).take(TURN_MS, "report").catch(() => null);
    if (report) this.#judge(report);
  }

  #takeAttempts() {
    for (const attempt of this.#stage.server.attempts.drain()) {
      const peer = attempt.accept();
      this.#stage.peers.set(null, peer);
      const now = { epoch: "e1", seq: this.#seq, n: 0, recovered: false, state: {}, sync_interval_ms: 50, now: Date.now() };
      peer.send({ type: "welcome", payload: { user_id: "guest:1", username: "Guest", role: "guest", game_id: "a", ...now } });
    }
  }

  #answer() {
    const peer = this.#stage.peer();
    for (const { json } of peer.messages.drain()) {
      if (json?.action !== "resync") continue;
      if (json.id !== undefined) peer.send({ type: "reply", id: json.id, result: null });
      peer.send({ type: "snapshot", payload: {}, epoch: "e1", seq: this.#seq });
    }
  }

  #judge(report) {
    const isOwn = matches(report, { event: "message", type: "alive" });
    const isEnd = matches(report, { event: "disconnected", will_reconnect: false });
    if (isEnd || (report.event === "message" && !isOwn)) throw new Error(`the client reports ${JSON.stringify(report).slice(0, 300)}`);
    if (isOwn) this.#isAlive = true;
    else this.reports.push(report);
  }
}
