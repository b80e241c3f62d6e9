// Round trips, and the server's clock as heartbeats tell it.

const ROUND_TRIPS = 5;
const SAMPLES = 10;

export class Clock {
  #roundTrips = [];
  #samples = [];
  #offset = null;

  /** Median of the last round trips in milliseconds; null before the first. */
  get latencyMs() {
    const sorted = this.#roundTrips.slice(-ROUND_TRIPS).sort((a, b) => a - b);
    return sorted[sorted.length >> 1] ?? null;
  }

  /** Milliseconds since 1970 at the server; null if they are not known. */
  at(now) {
    return this.#offset === null ? null : now + this.#offset;
  }

  /** A new connection, perhaps to another server. */
  begin(serverNow, now) {
    this.#samples = [];
    this.#offset = serverNow === undefined ? null : serverNow - now;
  }

  forget() {
    this.begin();
  }

  answered(sentAt, now, serverNow) {
    const roundTripMs = now - sentAt;
    this.#roundTrips = [...this.#roundTrips, roundTripMs].slice(-SAMPLES);
    if (typeof serverNow !== "number") return;
    this.#samples = [...this.#samples, { roundTripMs, offset: serverNow - (sentAt + now) / 2 }].slice(-SAMPLES);
    // The shortest way leaves the least room for error.
    this.#offset = this.#samples.reduce((best, one) => (one.roundTripMs < best.roundTripMs ? one : best)).offset;
  }
}
