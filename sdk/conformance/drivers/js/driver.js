// Uses the JavaScript SDK as a game would, as the judge commands (DRIVER.md).

import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import { Channel, errorReport } from "./channel.js";

const { GodraClient } = await import(pathToFileURL(process.env.GODRA_JS));
const require = createRequire(new URL("../../../js/package.json", import.meta.url));
const { WebSocket } = require("ws");
const { version } = require("./package.json");

const channel = new Channel(process.env.CONTROL);
const clients = new Map();

// A handler that throws is reported so, as the platform does it for every callback.
process.on("uncaughtException", (error) => {
  if (error.message !== "thrown by the game") throw error;
});

const commands = {
  new: newClient,
  guest_login: ({ api }) => api.auth.guestLogin().then(who),
  login: ({ api }, { username, password }) => api.auth.login(username, password).then(who),
  register: ({ api }, { username, password }) => api.auth.register(username, password),
  upgrade: ({ api }, { username, password }) => api.auth.upgrade(username, password).then(who),
  refresh: ({ api }) => api.auth.refresh().then(who),
  logout: ({ api }) => api.auth.logout(),
  account: ({ api }) => api.auth.account(),
  connect: ({ api }, { room }) => api.realtime.connect(null, room),
  send: ({ api }, { action, payload }) => api.realtime.sendInput(action, payload),
  request: ({ api }, { action, payload, timeout_ms, once }) => api.realtime.request(action, payload, { timeoutMs: timeout_ms, once }),
  requests: ({ api }, { action, count, once }) =>
    Promise.all(Array.from({ length: count }, (_, index) => api.realtime.request(action, index, { once }))),
  rpc: ({ api }, { script, args, keys }) => api.rpc(script, args, keys),
  list_rooms: ({ api }, { limit, cursor }) => api.lobby.listLobbies(null, { limit, cursor }),
  latency: ({ api }) => api.realtime.latencyMs,
  throw_in: ({ api }, { event }) => void api.realtime.on(event, () => { throw new Error("thrown by the game"); }),
  act_in: (client, { event, then }) => void client.api.realtime.on(event, () => void run({ ...then, id: null })),
  unsendable: ({ api }, { action }) => api.realtime.request(action, cycle()),
  close: ({ api }) => api.realtime.close(),
  leave: ({ api }) => api.lobby.leaveLobby(null, api.realtime.welcome.game_id).then(() => api.realtime.close()),
  close_client: ({ api }) => api.realtime.close(),
};

function newClient(_, { id, client, url, options }) {
  const { first_delay_ms: firstDelayMs, max_delay_ms: maxDelayMs, reconnect, session } = options;
  const api = new GodraClient(url, {
    WebSocket,
    session,
    heartbeatMs: options.heartbeat_ms,
    requestTimeoutMs: options.request_timeout_ms,
    connectTimeoutMs: options.connect_timeout_ms,
    reconnect: reconnect === false ? false : { firstDelayMs, maxDelayMs },
    onSession: (now) => now ?? tell(id, "session_ended", { code: "session_ended" }),
  });
  clients.set(client, { api, id });
  watch(id, api.realtime);
}

function watch(id, realtime) {
  const room = () => realtime.welcome?.game_id;
  realtime.on("connected", ({ seq, epoch, recovered, n }) => tell(id, "connected", { room: room(), seq, epoch, recovered, n }));
  realtime.on("reconnecting", ({ attempt, delayMs }) => tell(id, "reconnecting", { attempt, delay_ms: delayMs }));
  realtime.on("disconnected", ({ code, reason, willReconnect, cause }) =>
    tell(id, "disconnected", { code, reason, will_reconnect: willReconnect, cause: cause ? errorReport(cause) : null }));
  realtime.on("error", (error) => tell(id, "error", errorReport(error)));
  realtime.on("state_update", ({ type, payload, seq }) => {
    if (type === "snapshot") tell(id, "snapshot", { seq });
    else if (type !== "welcome") tell(id, "message", { type, payload, seq });
  });
}

function tell(of, event, more) {
  channel.tell({ of, event, ...more });
}

const who = ({ user_id, username, role }) => ({ user_id, username, role });

function cycle() {
  const payload = {};
  payload.itself = payload;
  return payload;
}

function drop({ client }) {
  for (const [name, { api }] of [...clients]) {
    if (client !== undefined && name !== client) continue;
    clients.delete(name);
    api.realtime.close();
  }
}

async function run(command) {
  const { id, do: name, client } = command;
  const report = (what) => id === null || channel.tell({ id, ...what });
  try {
    if (name === "drop") drop(command);
    else if (!Object.hasOwn(commands, name)) throw new Error(`This driver has no command ${name}`);
    const value = name === "drop" ? null : await commands[name](clients.get(client), command);
    report({ value: value ?? null });
  } catch (error) {
    report({ error: errorReport(error) });
  }
}

channel.tell({ hello: { sdk: "js", version, platform: `Node ${process.versions.node} with ws`, can: ["status", "throw", "binary", "surrogates"] } });
for await (const command of channel.commands()) {
  if (command.do === "exit") break;
  void run(command);
}
drop({});
await channel.sent();
