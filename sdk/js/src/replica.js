// The room as this client knows it: its state, and which events are in it already.

import { Position } from "./position.js";

export class Replica {
  state = null;
  /** Counts the changes of the state. */
  version = 0;
  #position = new Position();
  #reducers = new Map();
  #isInDoubt = false;
  #failed;

  /** `failed(error, type)` is told what a reducer throws. */
  constructor(failed) {
    this.#failed = failed;
  }

  /** What a new connection goes on from; null if everything is to be sent anew. */
  get resume() {
    return this.#isInDoubt ? null : this.#position.resume;
  }

  /** `{type: (state, payload, event) => newState | undefined}` */
  reduce(reducers) {
    for (const [type, reducer] of Object.entries(reducers)) this.#reducers.set(type, reducer);
  }

  welcome(payload) {
    // Nobody can go on from nothing.
    if (!payload.recovered || !this.#position.resume) this.#replace(payload.state);
    this.#position.welcome(payload);
  }

  snapshot(event) {
    this.#position.snapshot(event);
    this.#replace(event.payload);
  }

  /** Applies an event; false if it was there already. */
  event(event) {
    if (!this.#position.event(event)) return false;
    const reducer = this.#reducers.get(event.type);
    if (reducer) this.#apply(reducer, event);
    return true;
  }

  /** The server says that all events up to this one have been sent. */
  reached(seq) {
    this.#position.reached(seq);
  }

  /** Something was lost that may have been an event. */
  doubt() {
    this.#isInDoubt = true;
  }

  /** What one player has seen is not what another may see. */
  forget() {
    this.#position.forget();
  }

  #replace(state = null) {
    this.state = state;
    this.version += 1;
    this.#isInDoubt = false;
  }

  #apply(reducer, event) {
    try {
      const state = reducer(this.state, event.payload, event);
      if (state !== undefined) this.state = state;
      this.version += 1;
    } catch (error) {
      this.#failed(error, event.type);
    }
  }
}
