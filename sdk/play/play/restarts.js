// The server restarts again and again, in good order and with its state file, and the players have to be back soon after it is.

import { World } from "../world/world.js";
import { account } from "./account.js";
import { Lobby } from "./lobby.js";
import { Traffic } from "./traffic.js";

const PLAYERS = 2;
const TURN_MS = 60;
const BACK_MS = 20_000;

/** The middle one of all returns is to be sooner than that after the server's. */
const SOON_MS = 1_000;

/** The server is away for up to so long: returns are not to fall together with it by themselves. */
const AWAY_MS = 1_500;

/**
 * An outage ends when a connection has held for a while; by default 5 s. Here it is less, so that each restart is an outage of its own
 * though they come so fast.
 */
const OPTIONS = { stable_ms: 300 };
const HOLD_MS = 600;

/** Gives the milliseconds from each start of the server's listening to each player's `connected`. */
export async function restarts({ count, sdk, driver, check }) {
  const world = await World.embedded();
  try {
    const lobby = await Lobby.open(world, Array(PLAYERS).fill({ sdk, driver }), { isDirect: true, options: OPTIONS });
    const traffic = new Traffic(lobby.players, { turnMs: TURN_MS });
    const returns = [];
    await check(`${count} restarts, and all are back each time`, async () => {
      for (let index = 0; index < count; index += 1) returns.push(...(await restart(world, lobby, traffic)));
    });
    await check(`the median of all returns is within ${SOON_MS} ms of the server's`, () => {
      if (!(quantile(returns, 0.5) <= SOON_MS)) return [`it was ${quantile(returns, 0.5)} ms`];
    });
    await account(lobby, traffic, { check });
    await lobby.close();
    const marks = traffic.marks.filter(({ way }) => way === "once").length;
    return { returns, marks };
  } finally {
    await world.close();
  }
}

async function restart(world, { players }, traffic) {
  const [node] = world.nodes;
  await node.stop();
  await pause(Math.random() * AWAY_MS);
  const before = players.map(({ reports }) => reports.length);
  await node.start();
  const returns = await Promise.all(
    players.map(async (player, index) => {
      const connected = () => player.reports.find((report, at) => at >= before[index] && report.event === "connected");
      await player.until(connected, "to be back after a restart", BACK_MS);
      return Math.round(connected().at - node.listeningSince);
    }),
  );
  await traffic.eachMarksOnce("restart");
  await pause(HOLD_MS);
  return returns;
}

export function quantile(values, part) {
  const sorted = [...values].sort((one, other) => one - other);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))];
}

function pause(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
