// One direction of a connection: bytes in at one socket, out at the other, as late as the proxy's rules say.

/** So much may wait here before the sender is held up, as by a network. */
const HELD_BYTES = 1 << 20;

export class Pipe {
  #from;
  #to;
  #delay;
  #cut;
  #queue = [];
  #bytes = 0;
  #lastDue = 0;
  #wake = () => {};
  #frozen = null;
  #isOver = false;

  /**
   * `delay()` gives the milliseconds that a chunk takes; `cut(chunk)` gives null, or `{pass, end}`: so many of its bytes still pass,
   * and then `end()` is called.
   */
  constructor(from, to, { delay, cut }) {
    this.#from = from;
    this.#to = to;
    this.#delay = delay;
    this.#cut = cut;
    from.on("data", (chunk) => this.#put(chunk));
    from.on("end", () => this.#put(null));
    void this.#pump();
  }

  /** Nothing passes until `thaw`. */
  freeze() {
    if (this.#frozen) return;
    let open;
    const opened = new Promise((resolve) => (open = resolve));
    this.#frozen = { opened, open };
  }

  thaw() {
    this.#frozen?.open();
    this.#frozen = null;
  }

  stop() {
    this.#isOver = true;
    this.thaw();
    this.#wake();
  }

  #put(chunk) {
    // Whatever the delays are, bytes stay in order.
    const due = Math.max(this.#lastDue, performance.now() + this.#delay());
    this.#lastDue = due;
    this.#queue.push({ chunk, due });
    this.#bytes += chunk?.length ?? 0;
    if (this.#bytes > HELD_BYTES) this.#from.pause();
    this.#wake();
  }

  async #pump() {
    while (!this.#isOver) {
      if (this.#queue.length === 0) await new Promise((resolve) => (this.#wake = resolve));
      const next = this.#queue[0];
      if (!next) continue;
      const wait = next.due - performance.now();
      if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
      while (this.#frozen) await this.#frozen.opened;
      if (this.#isOver) return;
      this.#queue.shift();
      await this.#pass(next.chunk);
    }
  }

  async #pass(chunk) {
    if (chunk === null) {
      this.#to.end();
      this.#isOver = true;
      return;
    }
    this.#bytes -= chunk.length;
    if (this.#bytes <= HELD_BYTES) this.#from.resume();
    const cut = this.#cut(chunk);
    await this.#write(cut ? chunk.subarray(0, cut.pass) : chunk);
    if (cut) cut.end();
  }

  /** A socket that goes away calls back, too. */
  async #write(bytes) {
    if (bytes.length === 0 || this.#to.destroyed) return;
    await new Promise((resolve) => this.#to.write(bytes, resolve));
  }
}
