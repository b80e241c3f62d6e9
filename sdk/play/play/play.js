// A whole play: players of one or several SDKs in one lobby, in every trouble that their world has; and at the end the account of it.

import { eventFaults } from "../checks/events.js";
import { lifecycleFaults } from "../checks/lifecycle.js";
import { markFaults } from "../checks/marks.js";
import { Lobby } from "./lobby.js";
import { Traffic } from "./traffic.js";
import { troublesOf } from "./troubles.js";

const BACK_MS = 20_000;
const MOVES_EACH = 200;
const LATE = { ms: 5, jitter: 20 };

/** `openWorld()` gives the servers, `cast` says who plays: `[{sdk, driver}]`. What comes of it goes to `tally`. */
export async function play({ title, openWorld, cast, turnMs, tally }) {
  const check = (what, run) => tally.check(`${title}: ${what}`, run);
  const world = await openWorld();
  try {
    const lobby = await Lobby.open(world, cast);
    const scene = { world, players: lobby.players, lines: lobby.lines, crashes: [] };
    const traffic = new Traffic(lobby.players, { turnMs });
    await gothrough(scene, traffic, check);
    await account(lobby, scene, traffic, check);
    await lobby.close();
  } finally {
    await world.close();
  }
}

async function gothrough(scene, traffic, check) {
  for (const line of scene.lines) line.delay(LATE.ms, LATE.jitter);
  for (const [name, happen] of troublesOf(scene.world)) {
    const isOver = await check(name, async () => {
      await happen(scene);
      await Promise.all(scene.players.map((player) => player.until(({ isJoined }) => isJoined, `to be back after: ${name}`, BACK_MS)));
      await traffic.eachMarksOnce(name);
    });
    // Who did not come back would fail in all that follows, too.
    if (!isOver) break;
  }
  for (const line of scene.lines) line.calm();
}

async function account(lobby, { crashes }, traffic, check) {
  const { players } = lobby;
  await check(`${MOVES_EACH} moves each, and an answer to all that was asked`, async () => {
    await traffic.moved(MOVES_EACH * players.length);
    await traffic.end();
  });
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
    return isEnd ? faults : [...faults, `${name} heard at last: ${JSON.stringify(last)}`];
  });
}
