// What happens to the players' lines and to the servers while they play. Each trouble is over when it says so; the play then waits until
// everybody is back.

const HAPPENS_MS = 15_000;

/** Shorter than what a client takes for the end of a connection. */
const STALL_MS = 400;

/** What is older than a second outlives a crash. */
const KEPT_MS = 1_500;

/** On the lines alone; `scene`: `{players, lines, world}`. */
const ON_LINES = {
  "cut within a frame": ({ lines }) => all(lines.map((line) => line.cutOnce({ bytes: 1_500 }))),
  "cut within what the client sends": ({ lines }) => all(lines.map((line) => line.cutOnce({ from: "client", bytes: 700 }))),
  "answers lost": ({ lines }) => all(lines.map((line) => line.cutOnce({ marker: '"type":"reply"', reset: true }))),
  "reset behind an answer": ({ lines }) => all(lines.map((line) => line.cutOnce({ marker: '"type":"reply"', after: true, reset: true }))),
  "lost welcome": async ({ lines }) => {
    const cuts = lines.map((line) => line.cutOnce({ marker: '"type":"welcome"' }));
    for (const line of lines) line.cutAll();
    await all(cuts);
  },
  "a stall": async ({ lines }) => {
    const thaws = lines.map((line, index) => line.freeze(["client", "both"][index % 2]));
    await new Promise((resolve) => setTimeout(resolve, STALL_MS));
    for (const thaw of thaws) thaw();
  },
  "silence": async ({ players, lines }) => {
    const thaws = lines.map((line, index) => line.freeze(["server", "both"][index % 2]));
    await lost(players);
    for (const thaw of thaws) thaw();
  },
  "nobody listens": async ({ players, lines }) => {
    await Promise.all(lines.map((line, index) => (index % 2 ? line.refuse() : line.resetNew())));
    for (const line of lines) line.cutAll({ reset: true });
    await all(players.map((player) => player.until(hasTried(2), "a second attempt", HAPPENS_MS)));
    await Promise.all(lines.map((line) => line.accept()));
  },
};

/** The crash comes first: everything behind it has to be right without a new beginning. */
const ON_EMBEDDED = {
  "kill -9 and start": async ({ players, world: { nodes: [node] }, crashes }) => {
    // The lobby, and what was marked first, are old enough to be kept.
    await new Promise((resolve) => setTimeout(resolve, KEPT_MS));
    const crash = { at: performance.now(), back: Infinity };
    crashes.push(crash);
    await node.kill();
    await lost(players);
    await node.start();
    crash.back = performance.now();
  },
  ...ON_LINES,
  "restart in good order": async ({ players, world: { nodes: [node] } }) => {
    await node.stop();
    await lost(players);
    await node.start();
  },
};

const ON_REDIS = {
  "cut within a frame": ON_LINES["cut within a frame"],
  "answers lost": ON_LINES["answers lost"],
  "Redis killed and started": async ({ world: { redis } }) => {
    await redis.kill();
    await redis.start();
  },
  "one node killed, on by the other": async (scene) => {
    const [one, other] = scene.world.nodes;
    moveLines(scene, one, other);
    await one.kill();
    await one.start();
  },
  "the other stopped, back by the first": async (scene) => {
    const [one, other] = scene.world.nodes;
    moveLines(scene, other, one);
    await other.stop();
    await other.start();
  },
};

export function troublesOf(world) {
  return Object.entries(world.redis ? ON_REDIS : ON_EMBEDDED);
}

/** New connections go elsewhere; the old ones end with their node. */
function moveLines({ lines }, from, to) {
  for (const line of lines) if (line.target === from.port) line.target = to.port;
}

async function lost(players) {
  await all(players.map((player) => player.until(({ isJoined }) => !isJoined, "to lose its connection", HAPPENS_MS)));
}

function hasTried(times) {
  return ({ reports }) => {
    const since = reports.findLastIndex(({ event }) => event === "disconnected");
    return since >= 0 && reports.slice(since).filter(({ event }) => event === "reconnecting").length >= times;
  };
}

/** A trouble that does not happen proves nothing. */
function all(promises) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`the trouble did not happen within ${HAPPENS_MS} ms`)), HAPPENS_MS);
  });
  return Promise.race([Promise.all(promises), late]).finally(() => clearTimeout(timer));
}
