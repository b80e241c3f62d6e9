// Nothing twice, nothing missed: what the players of one room saw, against one another and against the numbers.
//
// All events of a play are for everybody, but for `yours`, which comes right behind a `marked` and is for its maker alone. So a number that
// a player did not see must be that of somebody else's `yours`.

import { canonical } from "./canonical.js";
import { text } from "./text.js";

/** `players`: `[{name, userId, reports}]`. With `isOver` all of them must have got as far as the one who got farthest. */
export function eventFaults(players, { isOver = true } = {}) {
  const faults = [];
  const record = new Record(faults);
  for (const player of players) record.add(player);
  const ends = players.map((player) => follow(player, record, faults));
  if (isOver) compareEnds(players, ends, record, faults);
  return faults;
}

/** All that anybody saw: by epoch and number, and by content where that is there once. */
class Record {
  #events = new Map();
  #contents = new Map();
  #faults;

  constructor(faults) {
    this.#faults = faults;
  }

  add({ name, reports }) {
    let epoch = null;
    for (const report of reports) {
      if (report.event === "connected") epoch = report.epoch;
      if (report.event === "message") this.#note(name, epoch, report);
    }
  }

  #note(name, epoch, { type, payload, seq }) {
    const at = `${epoch}/${seq}`;
    const content = canonical({ type, payload });
    const known = this.#events.get(at);
    if (known && known.content !== content) this.#faults.push(`${name} saw ${content} at ${at}, where another saw ${known.content}`);
    this.#events.set(at, { content, type, payload });
    if (!UNIQUE.includes(type)) return;
    const before = this.#contents.get(content) ?? at;
    if (before !== at) this.#faults.push(`${name} saw ${content} at ${at}, and it was at ${before} already`);
    this.#contents.set(content, before);
  }

  /** Whether the event of that number was for somebody else. */
  isForOthers(epoch, seq, userId) {
    const before = this.#events.get(`${epoch}/${seq - 1}`);
    return before?.type === "marked" && before.payload.user_id !== userId;
  }

  describe(epoch, seq) {
    return this.#events.get(`${epoch}/${seq}`)?.content ?? "which nobody saw";
  }
}

/** Texts and marks are never said twice. */
const UNIQUE = ["marked", "yours", "chat"];

/** Goes through one player's reports; gives where it ended. */
function follow(player, record, faults) {
  const { name, userId, reports } = player;
  let at = { epoch: null, seq: 0 };
  const goTo = (seq, what) => {
    for (let missing = at.seq + 1; missing < seq; missing += 1) {
      if (record.isForOthers(at.epoch, missing, userId)) continue;
      faults.push(`${name} missed ${at.epoch}/${missing}, ${record.describe(at.epoch, missing)}, before ${text(what)}`);
    }
    at.seq = Math.max(at.seq, seq);
  };
  for (const report of reports) {
    if (report.event === "connected" && !report.recovered) {
      if (report.epoch === at.epoch) faults.push(`${name} was not recovered at ${at.epoch}/${at.seq}: ${text(report)}`);
      at = { epoch: report.epoch, seq: report.seq };
    } else if (report.event === "connected") {
      if (report.epoch !== at.epoch || report.seq < at.seq) faults.push(`${name} was at ${at.epoch}/${at.seq}, and recovered elsewhere: ${text(report)}`);
      goTo(report.seq + 1, report);
      at.seq = report.seq;
    } else if (report.event === "snapshot") {
      at.seq = report.seq;
    } else if (report.event === "message") {
      if (!(report.seq > at.seq)) faults.push(`${name} was at ${at.seq} already, and saw ${text(report)}`);
      goTo(report.seq, report);
    }
  }
  return at;
}

function compareEnds(players, ends, record, faults) {
  const last = ends.reduce((most, end) => (end.seq > most.seq ? end : most));
  players.forEach(({ name, userId }, index) => {
    const { epoch, seq } = ends[index];
    if (epoch !== last.epoch) faults.push(`${name} ended in the epoch ${epoch}, another in ${last.epoch}`);
    for (let missing = seq + 1; missing <= last.seq; missing += 1) {
      if (record.isForOthers(epoch, missing, userId)) continue;
      faults.push(`${name} ended at ${epoch}/${seq}, before ${record.describe(epoch, missing)} at ${missing}`);
    }
  });
}
