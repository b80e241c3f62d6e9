// What must hold at the end of a play, whatever has happened.

import { eventFaults } from "../checks/events.js";
import { lifecycleFaults } from "../checks/lifecycle.js";
import { markFaults } from "../checks/marks.js";
import { text } from "../checks/text.js";

/** `check(what, run)` takes each part. `crashes`: when the store was killed that keeps its data in a file. */
export async function account(lobby, traffic, { crashes = [], check }) {
  const { players } = lobby;
  await check("an answer to all that was asked", () => traffic.end());
  await check("all hear the last words of each", () => lobby.settle());
  await check("each event once, in order, to each whom it is for", () => eventFaults(players));
  await check("each input ran as often as was answered", async () => markFaults(traffic.marks, await lobby.marks(), crashes));
  await check("all states are the server's, byte for byte", () => lobby.stateFaults());
  await check("one end each, and nothing behind it", () => endFaults(players));
  await check("no command was answered twice", () => players.flatMap((player) => player.answeredTwice()));
}

async function endFaults(players) {
  await Promise.all(players.map((player) => player.do("close")));
  // An answer to a later command comes behind whatever a closed room might still report.
  await Promise.all(players.map((player) => player.do("account")));
  return players.flatMap(({ name, reports }) => {
    const faults = lifecycleFaults(reports, { isOver: true }).map((fault) => `${name} ${fault}`);
    const last = reports.at(-1);
    const isEnd = last.event === "disconnected" && last.code === 1000 && !last.will_reconnect;
    return isEnd ? faults : [...faults, `${name} heard at last: ${text(last)}`];
  });
}
