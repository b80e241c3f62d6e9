// What players do while there is trouble: move, talk, and leave marks.

/** An input that was asked for may wait for the end of several troubles. */
const REQUEST_MS = 60_000;
const ANSWER_MS = 20_000;
const MOST_WAITING = 24;
const SIZE = 1_000;

export class Traffic {
  #players;
  #turnMs;
  #isOn = true;
  #turns;
  /** The answers that are still to come, by mark. */
  #open = new Map();
  #begun = 0;
  #moves = 0;
  /** Every mark that was asked for, as `markFaults` takes it. */
  marks = [];

  constructor(players, { turnMs }) {
    this.#players = players;
    this.#turnMs = turnMs;
    this.#turns = heardLater(Promise.all(players.map((player) => this.#play(player))));
  }

  /** A numbered mark by each, and its answers; and those to everything that was asked before. */
  async eachMarksOnce(about) {
    const before = [...this.#open.values()];
    await Promise.all(this.#players.map((player) => this.#mark(player, "once", { about })));
    await within(ANSWER_MS, Promise.all(before), () => `${[...this.#open.keys()].join(", ")} wait for answers since before: ${about}`);
  }

  /** Resolves when there were so many moves. */
  async moved(count) {
    while (this.#moves < count) await Promise.race([this.#turns, this.#turnIsOver()]);
  }

  /** Nobody does anything new; resolves when all that was asked is answered. */
  async end() {
    this.#isOn = false;
    await this.#turns;
  }

  /** What is only sent is waited for, so that nobody falls behind; what is to be answered is not. */
  async #play(player) {
    const asked = [];
    for (let turn = 0; this.#isOn; turn += 1) {
      asked.push(heardLater(this.#ask(player, turn)));
      await Promise.all([this.#send(player, turn), this.#turnIsOver()]);
    }
    await Promise.all(asked);
  }

  #turnIsOver() {
    return new Promise((resolve) => setTimeout(resolve, this.#turnMs));
  }

  /** By far most inputs are moves; marks are made in all ways. */
  async #send(player, turn) {
    await this.#move(player, turn % 4 === 3 ? "send" : "send_latest");
    if (turn % 7 === 2) await this.#mark(player, "send");
    if (turn % 9 === 4) await player.do("send", { action: "send_chat", payload: { message: `${player.name} says ${turn} äöü 🙂` } }, REQUEST_MS);
  }

  async #ask(player, turn) {
    const asked = [];
    if (turn % 3 === 0) asked.push(this.#mark(player, "once", { fails: turn % 15 === 6 }));
    if (turn % 5 === 1) asked.push(this.#mark(player, "request", { fails: turn % 20 === 11 }));
    await Promise.all(asked);
  }

  async #move(player, way) {
    this.#moves += 1;
    await player.do(way, { action: "move_player", payload: { x: Math.random() * SIZE, y: Math.random() * SIZE } }, REQUEST_MS);
  }

  async #mark(player, way, { fails = false, about = "" } = {}) {
    const waiting = [...this.#open.keys()].filter((mark) => mark.startsWith(`${player.name}:`)).length;
    if (way === "once" && waiting >= MOST_WAITING) return;
    this.#begun += 1;
    const one = { mark: `${player.name}:${way}:${this.#begun}${about && `:${about}`}`, player: player.name, way, fails, begun: performance.now() };
    this.marks.push(one);
    const answered = this.#answer(player, one).finally(() => this.#open.delete(one.mark));
    this.#open.set(one.mark, answered);
    await answered;
  }

  async #answer(player, one) {
    const { mark, way, fails } = one;
    const command = way === "send" ? "send" : "request";
    const fields = { action: "mark", payload: { mark, fail: fails }, once: way === "once", timeout_ms: REQUEST_MS };
    // The SDK's own limit comes first.
    one.result = await player.try(command, fields, REQUEST_MS + 5_000);
    one.ended = performance.now();
  }
}

/** What fails is told when somebody asks, and ends nothing before. */
function heardLater(promise) {
  promise.catch(() => {});
  return promise;
}

function within(ms, promise, whyNot) {
  let timer;
  const late = new Promise((_, reject) => (timer = setTimeout(() => reject(new Error(whyNot())), ms)));
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}
