// A whole play: players of one or several SDKs in one lobby, in every trouble that their world has; and at the end the account of it.

import { account } from "./account.js";
import { Lobby } from "./lobby.js";
import { Traffic } from "./traffic.js";
import { troublesOf } from "./troubles.js";

const BACK_MS = 20_000;
const MOVES_EACH = 200;
const LATE = { ms: 5, jitter: 20 };

/** `openWorld()` gives the servers, `cast` says who plays: `[{sdk, driver}]`. What comes of it goes to `check(what, run)`. */
export async function play({ openWorld, cast, turnMs, check }) {
  const world = await openWorld();
  try {
    const lobby = await Lobby.open(world, cast);
    const scene = { world, players: lobby.players, lines: lobby.lines, crashes: [] };
    const traffic = new Traffic(lobby.players, { turnMs });
    await goThrough(scene, traffic, check);
    await check(`${MOVES_EACH} moves each`, () => traffic.moved(MOVES_EACH * cast.length));
    await account(lobby, traffic, { crashes: scene.crashes, check });
    await lobby.close();
  } finally {
    await world.close();
  }
}

async function goThrough(scene, traffic, check) {
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
