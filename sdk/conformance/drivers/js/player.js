// One client of the SDK with its rooms, as a game would have them.

import { errorReport } from "./channel.js";

const LIFECYCLE = ["connected", "disconnected", "reconnecting", "snapshot"];

export class Player {
  #tell;
  #rooms = new Map();
  #hooks = [];
  #reducers = null;
  api;

  constructor(api, tell) {
    this.api = api;
    this.#tell = tell;
    api.onSession((session, cause) => {
      if (!session && cause) tell("session_ended", errorReport(cause));
    });
  }

  async connect({ room }, signal) {
    const joined = await this.api.join(room, { signal, prepare: (made) => this.#prepare(made) });
    return joined.welcome;
  }

  /** The room of that name; without a name the latest. */
  room(name) {
    const room = name === undefined ? [...this.#rooms.values()].at(-1) : this.#rooms.get(name.replace(/^game:/, ""));
    if (!room) throw new Error(`The client has no room ${name ?? ""}`);
    return room;
  }

  async isSameRoom(name) {
    const known = this.room(name);
    return known === (await this.api.join(name));
  }

  /** Calls `act` in a handler for events of that type, before the one that reports. */
  hook(event, act) {
    this.#hooks.push({ event, act });
    for (const room of this.#rooms.values()) this.#listen(room, event, act);
  }

  reduce(reducers) {
    this.#reducers = reducers;
    for (const room of this.#rooms.values()) room.reduce(reducers);
  }

  #prepare(room) {
    if (this.#rooms.get(room.id) === room) return;
    this.#rooms.delete(room.id);
    this.#rooms.set(room.id, room);
    if (this.#reducers) room.reduce(this.#reducers);
    for (const { event, act } of this.#hooks) this.#listen(room, event, act);
    this.#report(room);
  }

  #listen(room, event, act) {
    if (LIFECYCLE.includes(event)) room.on(event, act);
    else room.onEvent(event, act);
  }

  #report(room) {
    const tell = (event, more) => this.#tell(event, { room: room.id, ...more });
    room.on("connected", ({ seq, epoch, recovered, n }) => tell("connected", { seq, epoch, recovered, n }));
    room.on("reconnecting", ({ attempt, delayMs }) => tell("reconnecting", { attempt, delay_ms: delayMs }));
    room.on("disconnected", ({ code, reason, willReconnect, cause }) =>
      tell("disconnected", { code, reason, will_reconnect: willReconnect, cause: cause ? errorReport(cause) : null }));
    room.on("error", (error) => tell("error", errorReport(error)));
    room.on("snapshot", (_, { seq }) => tell("snapshot", { seq }));
    room.onEvent((payload, { type, seq }) => tell("message", { type, payload, seq }));
  }
}
