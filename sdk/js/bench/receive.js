// What it costs to receive: `node bench/receive.js [EVENTS_PER_SECOND] [SECONDS]`. A server in another process sends a room's moves
// in batches, as the real one does; this process takes them through the SDK, keeps the state and hears every event. Prints the
// share of one core that it used.

import { fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import WebSocket, { WebSocketServer } from "ws";

import { GodraClient } from "../dist/godra.js";
import { lobbyReducers } from "../dist/lobby.js";

const BATCH_MS = 50;
const PLAYERS = 100;
const [rate = 20_000, seconds = 10] = process.argv.slice(2).map(Number);

if (process.send) serve();
else await measure();

function serve() {
  const server = new WebSocketServer({ port: 0, host: "127.0.0.1", handleProtocols: () => "godra" });
  server.on("listening", () => process.send(server.address().port));
  server.on("connection", (socket) => {
    let seq = 0;
    const ids = Array.from({ length: PLAYERS }, (_, index) => `guest:${String(index).padStart(16, "0")}`);
    const players = Object.fromEntries(ids.map((id) => [id, { user_id: id, username: `Guest-${id.slice(-4)}` }]));
    const payload = { user_id: ids[0], username: "Guest", role: "guest", game_id: "bench", epoch: "1", seq, n: 0, recovered: false };
    socket.send(JSON.stringify({ type: "welcome", payload: { ...payload, state: { players, state: {} }, sync_interval_ms: BATCH_MS, now: Date.now() } }));
    const startedAt = performance.now();
    const timer = setInterval(() => {
      const due = Math.floor(((performance.now() - startedAt) / 1000) * rate) - seq;
      const events = Array.from({ length: due }, () => {
        seq += 1;
        return { type: "player_moved", payload: { user_id: ids[seq % PLAYERS], x: seq % 1000, y: (seq * 7) % 1000 + 0.25 }, seq };
      });
      socket.send(JSON.stringify({ type: "batch", events }));
    }, BATCH_MS);
    socket.on("close", () => clearInterval(timer));
  });
  process.on("disconnect", () => process.exit());
}

async function measure() {
  const server = fork(fileURLToPath(import.meta.url), [rate, seconds]);
  const [port] = await once(server, "message");
  const client = new GodraClient(`http://127.0.0.1:${port}`, { WebSocket, token: "a.b.c" });
  let heard = 0;
  const prepare = (room) => {
    room.reduce(lobbyReducers);
    room.on("player_moved", () => (heard += 1));
  };
  const room = await client.join("bench", { prepare });
  // Until the compiler has seen it all.
  await new Promise((resolve) => setTimeout(resolve, 2_000));
  const before = { cpu: process.cpuUsage(), at: performance.now(), heard, bytes: room.stats().bytesReceived };
  await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
  const { user, system } = process.cpuUsage(before.cpu);
  const tookS = (performance.now() - before.at) / 1000;
  const perSecond = (value) => Math.round(value / tookS);
  console.log(`${perSecond(heard - before.heard)} events/s, ${perSecond((room.stats().bytesReceived - before.bytes) / 1000)} kB/s: ` +
    `${((user + system) / 10_000 / tookS).toFixed(1)} % of a core (Node ${process.versions.node}, ${process.arch})`);
  await client.close();
  server.disconnect();
}
