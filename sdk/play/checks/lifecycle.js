// What a game hears of its connections must fit together.

import { text } from "./text.js";

/**
 * Faults of one player's reports, which begin with its first `connected`. `isOver`: the game has closed the room, so the end must be
 * there, too.
 */
export function lifecycleFaults(reports, { isOver }) {
  const life = new Life();
  for (const report of reports) life.hear(report);
  if (isOver && life.state !== "left") life.faults.push(`no final disconnected came; the last it heard left it ${life.state}`);
  return life.faults;
}

class Life {
  state = "joining";
  faults = [];

  hear(report) {
    const wanted = ALLOWED[report.will_reconnect ? "lost" : report.event];
    if (wanted && !wanted.includes(this.state)) this.faults.push(`heard while ${this.state}: ${text(report)}`);
    if (report.event === "connected") this.state = "joined";
    if (report.event === "disconnected") this.state = report.will_reconnect ? "rejoining" : "left";
    if (report.event === "session_ended") this.faults.push(`the session ended: ${text(report)}`);
    if (report.code === "bad_message") this.faults.push(`could not read a message: ${text(report)}`);
  }
}

/** In which states each may be heard. A room's end is its last event, and comes once. */
const ALLOWED = {
  connected: ["joining", "rejoining"],
  lost: ["joined"],
  disconnected: ["joined", "rejoining"],
  reconnecting: ["rejoining"],
  message: ["joined"],
  snapshot: ["joined"],
  error: ["joined", "rejoining"],
};
