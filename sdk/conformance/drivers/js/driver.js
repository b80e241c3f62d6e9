// Uses the JavaScript SDK as a game would, as the judge commands (DRIVER.md).

import { signal as wake } from "./platform.js";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import { Channel, errorReport } from "./channel.js";
import { Player } from "./player.js";

const bundle = (name) => import(pathToFileURL(`${process.env.GODRA_JS}/${name}.js`));
const { GodraClient, memoryStore } = await bundle("godra");
const { lobbyReducers } = await bundle("lobby");
const require = createRequire(new URL("../../../js/package.json", import.meta.url));
const { WebSocket } = require("ws");
const { version } = require("./package.json");

const CAN = ["status", "wake", "offline", "tabs", "cancel", "throw", "binary", "surrogates", "reducers", "stats"];
const channel = new Channel(process.env.CONTROL);
const players = new Map();
const stores = new Map();
const running = new Map();

// The platform's way of telling that a handler threw. Nothing else may go unhandled.
process.on("uncaughtException", (error) => {
  if (error.message === "thrown by the game") return;
  console.error(error);
  process.exit(1);
});

const commands = {
  new: newPlayer,
  guest_login: ({ api }) => api.auth.guestLogin().then(who),
  ensure: ({ api }) => api.auth.ensure().then(who),
  login: ({ api }, { username, password }) => api.auth.login(username, password).then(who),
  register: ({ api }, { username, password }) => api.auth.register(username, password),
  upgrade: ({ api }, { username, password }) => api.auth.upgrade(username, password).then(who),
  refresh: ({ api }) => api.auth.refresh().then(who),
  logout: ({ api }) => api.auth.logout(),
  account: ({ api }) => api.auth.account(),
  connect: (player, command, signal) => player.connect(command, signal),
  cancel: (_, { target }) => running.get(target)?.abort(),
  send: (player, { room, action, payload }) => player.room(room).send(action, payload),
  send_latest: (player, { room, action, payload, payloads = [payload], key }) => {
    for (const one of payloads) player.room(room).sendLatest(action, one, key);
  },
  request: (player, { room, action, payload, timeout_ms, once }, signal) =>
    player.room(room).request(action, payload, { timeoutMs: timeout_ms, once, signal }),
  requests: (player, { room, action, count, once }) =>
    Promise.all(Array.from({ length: count }, (_, index) => player.room(room).request(action, index, { once }))),
  rpc: ({ api }, { script, args, keys }, signal) => api.rpc(script, args, { keys, signal }),
  list_rooms: ({ api }, { limit, cursor }) => api.listRooms({ limit, cursor }),
  state: (player, { room }) => player.room(room).state,
  connection: (player, { room }) => player.room(room).connection,
  latency: (player, { room }) => player.room(room).latencyMs,
  server_time: (player, { room }) => player.room(room).serverTime(),
  stats: (player, { room }) => snakeCased(player.room(room).stats()),
  same_room: (player, { room }) => player.isSameRoom(room),
  reduce: (player) => player.reduce(lobbyReducers),
  throw_in: (player, { event }) => player.hook(event, () => { throw new Error("thrown by the game"); }),
  act_in: (player, { event, then }) => player.hook(event, () => void run({ ...then, id: null })),
  unsendable: (player, { room, action }) => player.room(room).request(action, cycle()),
  wake: (_, { signal }) => wake(signal),
  leave: (player, { room }) => player.room(room).leave(),
  close: (player, { room }) => player.room(room).close(),
  close_client: ({ api }) => api.close(),
  drop,
};

function newPlayer(_, { id, client, url, options }) {
  const { first_delay_ms, max_delay_ms, stable_ms, reconnect, session, store } = options;
  const api = new GodraClient(url, {
    WebSocket,
    logger: () => {},
    session: session && { expires_in: 3600, ...session },
    store: store && (stores.get(store) ?? stores.set(store, memoryStore()).get(store)),
    heartbeatMs: options.heartbeat_ms,
    requestTimeoutMs: options.request_timeout_ms,
    connectTimeoutMs: options.connect_timeout_ms,
    maxMessageBytes: options.max_message_bytes,
    reconnect: reconnect === false ? false : { firstDelayMs: first_delay_ms, maxDelayMs: max_delay_ms, stableMs: stable_ms },
  });
  players.set(client, new Player(api, (event, more) => channel.tell({ of: id, event, ...more })));
}

function drop(_, { client }) {
  for (const [name, { api }] of [...players]) {
    if (client !== undefined && name !== client) continue;
    players.delete(name);
    void api.close();
  }
}

const who = ({ user_id, username, role }) => ({ user_id, username, role });

function snakeCased(object) {
  return Object.fromEntries(Object.entries(object).map(([key, value]) => [key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`), value]));
}

function cycle() {
  const payload = {};
  payload.itself = payload;
  return payload;
}

async function run(command) {
  const { id, do: name, client } = command;
  const controller = new AbortController();
  const report = (what) => id === null || channel.tell({ id, ...what });
  running.set(id, controller);
  try {
    if (!Object.hasOwn(commands, name)) throw new Error(`This driver has no command ${name}`);
    const value = await commands[name](players.get(client), command, controller.signal);
    report({ value: value ?? null });
  } catch (error) {
    report({ error: errorReport(error) });
  } finally {
    running.delete(id);
  }
}

channel.tell({ hello: { sdk: "js", version, platform: `Node ${process.versions.node} with ws`, can: CAN } });
for await (const command of channel.commands()) {
  if (command.do === "exit") break;
  void run(command);
}
drop(null, {});
await channel.sent();
