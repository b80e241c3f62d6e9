// Where this client is in the room's history: what it asks for when it comes back, and which events it has had already.

export class Position {
  #epoch;
  #seq;

  /** What a new connection goes on from; null if everything is to be sent anew. */
  get resume() {
    return this.#epoch === undefined || this.#seq === undefined ? null : { epoch: this.#epoch, since: this.#seq };
  }

  /** The welcome of a connection that goes on changes nothing: the missed events are yet to come. */
  welcome({ recovered, epoch, seq }) {
    if (!recovered || epoch !== this.#epoch) this.#set(epoch, seq);
  }

  /** The room at exactly this place. It may be behind what was seen: a store that was restored has gone back. */
  snapshot({ epoch = this.#epoch, seq }) {
    this.#set(epoch, seq);
  }

  /** Whether this event is new. Gaps are for the server to judge: what is missing was for others. */
  event({ seq }) {
    if (typeof seq !== "number") return true;
    if (seq <= this.#seq) return false;
    this.#seq = seq;
    return true;
  }

  /** The server says that all events up to this one have been sent. */
  reached(seq) {
    if (typeof seq === "number" && !(seq <= this.#seq)) this.#seq = seq;
  }

  forget() {
    this.#set(undefined, undefined);
  }

  #set(epoch, seq) {
    this.#epoch = epoch;
    this.#seq = typeof seq === "number" ? seq : undefined;
  }
}
