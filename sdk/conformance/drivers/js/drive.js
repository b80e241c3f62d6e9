// Uses the JavaScript SDK as a game would, as the judge commands (DRIVER.md). Knows nothing of Node or browsers.

import { Channel, errorReport } from "./channel.js";
import { Player } from "./player.js";

/** `sdk`: what its modules export; `options`: for every client; `wake(signal)`. Resolves when the judge says that it is over. */
export async function drive({ control, hello, sdk, options, wake }) {
  const driver = new Driver(new Channel(control), sdk, options, wake);
  await driver.run(hello);
}

class Driver {
  #channel;
  #sdk;
  #options;
  #wake;
  #players = new Map();
  #stores = new Map();
  #running = new Map();

  constructor(channel, sdk, options, wake) {
    this.#channel = channel;
    this.#sdk = sdk;
    this.#options = options;
    this.#wake = wake;
  }

  async run(hello) {
    this.#channel.tell({ hello });
    for await (const command of this.#channel.commands()) {
      if (command.do === "exit") break;
      void this.#do(command);
    }
    this.#drop({});
    await this.#channel.sent();
  }

  async #do(command) {
    const { id, do: name, client } = command;
    const controller = new AbortController();
    const report = (what) => id === null || this.#channel.tell({ id, ...what });
    this.#running.set(id, controller);
    try {
      const value = await this.#perform(name, this.#players.get(client), command, controller.signal);
      report({ value: value ?? null });
    } catch (error) {
      report({ error: errorReport(error) });
    } finally {
      this.#running.delete(id);
    }
  }

  #perform(name, player, command, signal) {
    if (Object.hasOwn(COMMANDS, name)) return COMMANDS[name](player, command, signal);
    if (name === "new") return this.#newPlayer(command);
    if (name === "cancel") return this.#running.get(command.target)?.abort();
    if (name === "reduce") return player.reduce(this.#sdk.lobbyReducers);
    if (name === "act_in") return player.hook(command.event, () => void this.#do({ ...command.then, id: null }));
    if (name === "wake") return this.#wake(command.signal);
    if (name === "drop") return this.#drop(command);
    throw new Error(`This driver has no command ${name}`);
  }

  #newPlayer({ id, client, url, options }) {
    const { first_delay_ms, max_delay_ms, stable_ms, reconnect, session, store } = options;
    const api = new this.#sdk.GodraClient(url, {
      ...this.#options,
      logger: () => {},
      session: session && { expires_in: 3600, ...session },
      store: store && this.#storeOf(store),
      heartbeatMs: options.heartbeat_ms,
      requestTimeoutMs: options.request_timeout_ms,
      connectTimeoutMs: options.connect_timeout_ms,
      maxMessageBytes: options.max_message_bytes,
      reconnect: reconnect === false ? false : { firstDelayMs: first_delay_ms, maxDelayMs: max_delay_ms, stableMs: stable_ms },
    });
    this.#players.set(client, new Player(api, (event, more) => this.#channel.tell({ of: id, event, ...more })));
  }

  #storeOf(name) {
    if (!this.#stores.has(name)) this.#stores.set(name, this.#sdk.memoryStore());
    return this.#stores.get(name);
  }

  #drop({ client }) {
    for (const [name, { api }] of [...this.#players]) {
      if (client !== undefined && name !== client) continue;
      this.#players.delete(name);
      void api.close();
    }
  }
}

const COMMANDS = {
  guest_login: ({ api }) => api.auth.guestLogin().then(who),
  ensure: ({ api }) => api.auth.ensure().then(who),
  login: ({ api }, { username, password }) => api.auth.login(username, password).then(who),
  register: ({ api }, { username, password }) => api.auth.register(username, password),
  upgrade: ({ api }, { username, password }) => api.auth.upgrade(username, password).then(who),
  refresh: ({ api }) => api.auth.refresh().then(who),
  logout: ({ api }) => api.auth.logout(),
  account: ({ api }) => api.auth.account(),
  connect: (player, command, signal) => player.connect(command, signal),
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
  throw_in: (player, { event }) => player.hook(event, () => { throw new Error(THROWN); }),
  unsendable: (player, { room, action }) => player.room(room).request(action, cycle()),
  leave: (player, { room }) => player.room(room).leave(),
  close: (player, { room }) => player.room(room).close(),
  close_client: ({ api }) => api.close(),
};

/** What `throw_in` throws: all else that nobody catches is a fault. */
export const THROWN = "thrown by the game";

const who = ({ user_id, username, role }) => ({ user_id, username, role });

function snakeCased(object) {
  return Object.fromEntries(Object.entries(object).map(([key, value]) => [key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`), value]));
}

function cycle() {
  const payload = {};
  payload.itself = payload;
  return payload;
}
