// A lobby and its players, each on a line of its own, in the world that a play is about.

import { canonical } from "../checks/canonical.js";
import { text } from "../checks/text.js";
import { Proxy } from "../proxy/proxy.js";
import { Player } from "./player.js";
import { Witness } from "./witness.js";

const SETTINGS = { max_speed: 0 };
const SETTLE_MS = 20_000;

export class Lobby {
  world;
  players = [];
  lines = [];
  room;

  /** `cast`: `[{sdk, driver}]`, one entry for each player. With `isDirect` they connect without a proxy. */
  static async open(world, cast, { isDirect = false, options } = {}) {
    const lobby = new Lobby();
    lobby.world = world;
    for (const [index, { sdk, driver }] of cast.entries()) {
      const node = world.nodes[index % world.nodes.length];
      const line = isDirect ? node : await Proxy.start(node.port);
      if (!isDirect) lobby.lines.push(line);
      lobby.players.push(await Player.enter({ sdk, driver, line, options }));
    }
    const made = await lobby.players[0].do("rpc", { script: "create_lobby", args: [cast.length + 1, SETTINGS] });
    lobby.room = made.replace(/^game:/, "");
    await Promise.all(lobby.players.map((player) => player.do("connect", { room: lobby.room })));
    return lobby;
  }

  /** Which marks the store has, asked for without any SDK. */
  async marks() {
    const { url } = this.world.nodes[0];
    const login = await (await fetch(`${url}/guest-login`, { method: "POST" })).json();
    const response = await fetch(`${url}/api/rpc`, {
      method: "POST",
      headers: { Authorization: `Bearer ${login.token}`, "Content-Type": "application/json" },
      body: JSON.stringify({ script: "marks", keys: [`game:${this.room}`] }),
    });
    const answer = await response.json();
    if (!response.ok) throw new Error(`the marks cannot be read: ${text(answer)}`);
    // An empty list of Lua's is an empty object.
    return Array.isArray(answer.result) ? answer.result : [];
  }

  /** The last word of each is heard by all. */
  async settle() {
    for (const player of this.players) {
      const at = { x: this.players.indexOf(player) + 1 / 3, y: 999.5 };
      await player.do("send_latest", { action: "move_player", payload: at });
      await this.#allSaw(({ type, payload }) => type === "player_moved" && payload.user_id === player.userId && payload.y === at.y, `${player.name}'s last move`);
      await player.do("send", { action: "send_chat", payload: { message: `the end of ${player.name}` } });
      await this.#allSaw(({ type, payload }) => type === "chat" && payload.message === `the end of ${player.name}`, `${player.name}'s last words`);
    }
  }

  /** Faults: whose state is not, byte for byte, what the server tells somebody new. */
  async stateFaults() {
    const witness = await Witness.join(this.world.nodes.at(-1).url, this.room);
    try {
      await this.#allSaw(({ type, payload }) => type === "player_joined" && payload.user_id === witness.userId, "a witness joins");
      const truth = canonical((await witness.snapshot()).payload);
      const states = await Promise.all(this.players.map((player) => player.do("state")));
      return this.players.flatMap(({ name }, index) => {
        const own = canonical(states[index]);
        return own === truth ? [] : [`${name} has ${difference(own, truth)}`];
      });
    } finally {
      witness.close();
    }
  }

  async close() {
    await Promise.all(this.players.map((player) => player.drop()));
    await Promise.all(this.lines.map((line) => line.stop()));
  }

  async #allSaw(isIt, what) {
    const sees = ({ reports }) => reports.some((report) => report.event === "message" && isIt(report));
    await Promise.all(this.players.map((player) => player.until(sees, what, SETTLE_MS)));
  }
}

/** Where two texts part. */
function difference(own, truth) {
  let at = 0;
  while (own[at] === truth[at]) at += 1;
  const around = (text) => text.slice(Math.max(0, at - 80), at + 80);
  return `…${around(own)}… where the server has …${around(truth)}…`;
}
