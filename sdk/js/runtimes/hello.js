// Two players of one runtime meet in a lobby: `… hello.js URL`. Prints the runtime's name if all went well.

import { GodraClient, memoryStore } from "../dist/godra.js";
import { lobbyReducers } from "../dist/lobby.js";

const [url] = globalThis.Deno?.args ?? process.argv.slice(2);
// Node 20 has no WebSocket of its own.
const WebSocket = globalThis.WebSocket ?? (await import("ws")).default;
const runtime = globalThis.Deno ? `Deno ${Deno.version.deno}` : globalThis.Bun ? `Bun ${Bun.version}` : `Node ${process.versions.node}`;

function check(isTrue, what) {
  if (!isTrue) throw new Error(`${runtime}: ${what}`);
}

function newClient() {
  return new GodraClient(url, { WebSocket, store: memoryStore() });
}

const [ann, ben] = [newClient(), newClient()];
await ann.auth.ensure();
await ben.auth.ensure();
const prepare = (room) => room.reduce(lobbyReducers);
const room = await ann.createRoom({ capacity: 2, prepare });
const other = await ben.join(room.id, { prepare });

const moved = room.next("player_moved", { timeoutMs: 5_000 });
other.sendLatest("move_player", { x: 3, y: 4 });
check((await moved).payload.x === 3, "the move did not come");
check(room.state.players[other.me.userId].y === 4, "the state does not know of the move");
check((await other.request("send_chat", { message: "päivää 🎲" })) === "OK", "the chat was not taken");
check((await room.ping()) > 0 && Math.abs(room.serverTime() - Date.now()) < 60_000, "the clock is wrong");

const refused = await ben.join("nobody-made-this").catch((error) => error);
check(refused.code === "not_found" && refused.status === 403, `a refusal is told as ${refused.code}`);

const ended = other.next("disconnected", { timeoutMs: 5_000 });
await other.leave();
check((await ended).payload.code === 1000, "leaving told another code");
await ann.close();
await ben.close();
console.log(runtime);
