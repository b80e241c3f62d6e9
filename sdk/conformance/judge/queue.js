// Hands what was put in to those who wait for it, in order.

export class Queue {
  #items = [];
  #takers = [];

  put(item) {
    const taker = this.#takers.shift();
    if (taker) taker.resolve(item);
    else this.#items.push(item);
  }

  /** The next item; rejects if there is none within `ms`, naming `what` was waited for. */
  take(ms, what) {
    if (this.#items.length > 0) return Promise.resolve(this.#items.shift());
    return new Promise((resolve, reject) => {
      const taker = {
        resolve: (item) => {
          clearTimeout(timer);
          resolve(item);
        },
      };
      const timer = setTimeout(() => {
        this.#takers = this.#takers.filter((one) => one !== taker);
        reject(new Error(`no ${what} within ${ms} ms`));
      }, ms);
      this.#takers.push(taker);
    });
  }

  /** What nobody has taken yet. */
  get waiting() {
    return this.#items;
  }

  /** Takes all that is there now. */
  drain() {
    return this.#items.splice(0);
  }
}
