// Compiled, never run: what the types of rooms must accept, and (after `@ts-expect-error`) what they must not.

import { GodraClient, GodraError, localStorageStore, memoryStore, type GameEvent, type LobbyInfo, type Room, type Session, type SessionStore } from "godra";
import { lobbyReducers, type LobbyGame } from "godra/lobby";
import { badNetwork, FakeRoom } from "godra/testing";

interface Shop {
  state: { gold: number };
  events: { sold: { item: string; price: number } };
  actions: { buy: (payload: { item: string }) => { gold: number }; wave: null; move: { x: number; y: number } };
}

async function play(signal: AbortSignal): Promise<void> {
  const store: SessionStore = { load: async () => null, save: (session: Session) => void session.token, clear() {} };
  const client = new GodraClient<Shop>("http://localhost:8080", {
    store,
    logger: (level, message) => level === "warn" && message.length,
    onHandlerError: (error, event) => void [error, event],
    simulate: badNetwork({ latencyMs: 80 }),
    reconnect: { stableMs: 1 },
  });
  const session: Session = await client.auth.ensure();
  const restored: Session | null = await client.auth.restore();
  const stop = client.onSession((now, cause) => now ?? cause?.code);
  const room: Room<Shop> = await client.join("abc", { signal, prepare: (one) => one.reduce({ sold: (state, { price }) => ({ gold: state.gold + price }) }) });
  await client.createRoom({ capacity: 4, settings: { width: 5 }, signal });
  const page = await client.listRooms({ limit: 5, cursor: null, signal });
  for await (const lobby of client.rooms()) page.lobbies.push(lobby satisfies LobbyInfo);

  const gold: number = room.state.gold + (room.latencyMs ?? 0) + (room.serverTime() ?? 0) + (room.syncInterval ?? 50);
  room.on("sold", ({ item, price }, event) => item.length + price + (event.seq ?? 0), { once: true, signal });
  room.on("disconnected", ({ willReconnect, cause }) => (willReconnect ? null : cause?.details));
  room.on("connected", ({ state }) => state.gold);
  room.onEvent((payload, event: GameEvent) => [payload, event.type]);
  room.onEvent("sold", ({ price }) => price);
  room.onChange((state) => state.gold);
  const sold = await room.next("sold", { timeoutMs: 5, where: ({ payload }) => payload.price > gold });
  for await (const event of room.events()) if (event.seq === sold.payload.price) break;

  const sent: boolean = room.send("wave") && room.send("buy", { item: "sword" });
  room.sendLatest("move", { x: 1, y: 2 });
  const bought: { gold: number } = await room.request("buy", { item: "sword" }, { once: true, signal, timeoutMs: 5 });
  const result: number = await client.rpc<number>("score", ["a"], { keys: ["game:a"], signal, timeoutMs: 5 });
  const { connection, me, welcome } = room;
  if (connection === "left" && me.userId !== welcome?.user_id) throw new GodraError("mine", `${sent} ${bought.gold} ${result} ${session.token} ${restored}`, { kind: "usage" });
  await room.leave();
  room.stats().events.toFixed();
  stop();
  await client.close();
}

async function lobby(): Promise<void> {
  const client = new GodraClient<LobbyGame>(undefined, { store: localStorageStore("mine") });
  const room = await client.join("abc", { prepare: (one) => one.reduce(lobbyReducers) });
  const x: number | undefined = room.state.players["1"]?.x;
  room.on("chat", ({ username, message }) => username + message + x);
  room.sendLatest("move_player", { x: 1, y: 2 });
  const { room: fake, server, clock } = await FakeRoom.join<LobbyGame>({ welcome: { state: { players: {} } }, store: memoryStore() });
  server.event("chat", { username: "Ann", message: "hi" });
  await clock.advance(fake.state.capacity);
  server.answer("move_player", null);
}

async function anyGame(client: GodraClient): Promise<void> {
  const room = await client.join("abc");
  room.on("whatever", ({ x }) => x);
  room.send("whatever", { y: room.state.anything });
  const y: string = await room.request("whatever", 5);
  void y;
}

async function mistakes(client: GodraClient<Shop>, room: Room<Shop>): Promise<void> {
  // @ts-expect-error: no such event
  room.on("bought", () => {});
  // @ts-expect-error: no such action
  room.send("sell", {});
  // @ts-expect-error: a payload of another shape
  room.send("buy", { thing: "sword" });
  // @ts-expect-error: this one needs its payload
  room.send("move");
  // @ts-expect-error: the result is known
  const gold: string = (await room.request("buy", { item: "sword" })).gold;
  // @ts-expect-error: a room is made by a client
  new (room.constructor as typeof Room)();
  // @ts-expect-error: the state's shape is known
  room.state.silver;
  // @ts-expect-error: a room's id is text
  await client.join(5);
  void gold;
}

void [play, lobby, anyGame, mistakes];
