// Compiled, never run: what the types must accept, and (after `@ts-expect-error`) what they must not.

import { GodraClient, GodraError, type Disconnected, type GameEvent, type Login, type Welcome } from "godra";

interface Arena {
  players: Record<string, { x: number; y: number }>;
}

async function play(): Promise<void> {
  const client = new GodraClient("http://localhost:8080", {
    requestTimeoutMs: 5_000,
    reconnect: { maxDelayMs: 1_000 },
    resume: false,
    WebSocket: globalThis.WebSocket,
  });
  const login: Login = await client.auth.guestLogin();
  await client.auth.guestLogin({ nickname: "Ann" });
  const lobbyId: string = await client.lobby.createLobby(login.token, 8);
  await client.lobby.joinLobby(null, lobbyId);
  const page = await client.lobby.listLobbies(login.token, { limit: 10 });
  const ids: string[] = (await client.lobby.listLobbies(null, { cursor: page.cursor })).lobbies.map(({ id }) => id);

  const { realtime } = client;
  const stop: () => void = realtime.on("player_moved", ({ x }: { x: number }, event) => x + (event.seq ?? 0));
  realtime.on<{ message: string }>("chat", (chat) => chat.message.length);
  realtime.on("state_update", (event: GameEvent) => event.type.length);
  realtime.on("disconnected", ({ code, willReconnect }: Disconnected) => (willReconnect ? code : 0));
  realtime.on("reconnecting", ({ attempt, delayMs }) => attempt + delayMs);
  realtime.on("error", (error) => error.code.length);
  stop();

  const welcome: Welcome<Arena> = await realtime.connect<Arena>(() => login.token, lobbyId);
  const x: number | undefined = welcome.state.players[welcome.user_id]?.x;
  const sent: boolean = realtime.sendInput("move_player", { x, y: 2 });
  const reply = await realtime.request<{ ok: boolean }>("jump", { sent }, { timeoutMs: 100 });
  const bought = await realtime.request<{ gold: number } | { duplicate: true }>("buy", "sword", { once: true });
  const gold: number = "gold" in bought ? bought.gold : 0;
  const stopConnected = realtime.on("connected", ({ recovered, n = gold }) => recovered && n > 0);
  stopConnected();
  const latencyMs: number = await realtime.ping();
  const result: number = await client.rpc<number>("score", ["a", 1, true, { b: [latencyMs, reply.ok] }], ["game:abc"]);
  try {
    realtime.close();
  } catch (error) {
    if (error instanceof GodraError && error.outcome !== "unknown") throw new GodraError("mine", `${error.code} ${result} ${ids}`, { cause: error });
  }
}

async function mistakes(client: GodraClient): Promise<void> {
  // @ts-expect-error: a lobby id is text
  await client.realtime.connect("token", 5);
  // @ts-expect-error: functions are not JSON
  await client.rpc("x", [() => 1]);
  // @ts-expect-error: no such option
  new GodraClient("http://localhost", { retries: 3 });
  // @ts-expect-error: once is yes or no
  await client.realtime.request("buy", "sword", { once: 1 });
  // @ts-expect-error: a lifecycle event's payload is known
  client.realtime.on("disconnected", ({ why }) => why);
}

void play;
void mistakes;
