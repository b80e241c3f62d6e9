/** A JSON value. */
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** Who may do what: guest < player < manager. */
export type Role = "guest" | "player" | "manager";

/** Whom to blame for an error. `protocol`: client and server do not understand each other; `usage`: the game's own mistake. */
export type ErrorKind = "server" | "script" | "network" | "session" | "protocol" | "usage";

/**
 * Why something failed. From the server: `unauthorized`, `token_expired`, `session_ended`, `forbidden`, `bad_request`, `not_found`,
 * `conflict`, `out_of_order`, `too_large`, `rate_limited`, `script_error`, `script_timeout`, `busy`, `unavailable`, or a script's own
 * code. From the SDK: `timeout`, `unavailable` (no answer from the network), `disconnected`, `cancelled`, `refused` (the WebSocket,
 * for a reason that nobody can tell), `session_ended` (show the login screen), `bad_response`, `bad_message`, `queue_full` (64 requests
 * with `once` wait already, or 1024 others), `unsupported` (the server is too old), `bad_request` and `too_large` (what cannot be
 * sent), `no_websocket`; and from `realtime` alone `closed` (before the welcome).
 */
export class GodraError extends Error {
  constructor(
    code: string,
    message: string,
    more?: Partial<Pick<GodraError, "kind" | "status" | "details" | "retryAfter" | "closeCode" | "outcome">> & { cause?: unknown },
  );
  readonly name: "GodraError";
  readonly code: string;
  readonly kind: ErrorKind;
  /** Whether the same call may go better later. Look at `outcome` first: it may have run. */
  readonly retryable: boolean;
  /** The HTTP status, where there was an answer. */
  readonly status?: number;
  /** What the script added to its error; of a ban `{until, reason}`. */
  readonly details?: any;
  /** Seconds to wait, when the server said so. */
  readonly retryAfter?: number;
  /** The WebSocket's close code, where there was one, and its reason. */
  readonly closeCode?: number;
  readonly closeReason?: string;
  /**
   * Of an input or an RPC: whether it ran. `none`: it did not and will not by itself, or it was refused with a code of the server's.
   * `unknown`: its answer is lost. `ran`: it did, and failed, so it has changed nothing.
   */
  readonly outcome?: "none" | "unknown" | "ran";
}

/** What the SDK needs of a WebSocket class: the browser's, Node 22's, or that of the package `ws`. */
export type WebSocketClass = new (address: string, protocols: string[]) => any;

export interface ReconnectOptions {
  /** Longest first delay in milliseconds (200); it doubles with every attempt, and is drawn from its upper half. */
  firstDelayMs?: number;
  /** Longest delay in milliseconds (20000). It is never above 800 in the first minute of an outage, and 5000 in the next four. */
  maxDelayMs?: number;
  /** A connection that held for longer ends the outage: delays and counts begin anew. In milliseconds (5000). */
  stableMs?: number;
  /** So many attempts in a row that were refused for good (400, 403, 404) end the reconnecting (1). */
  maxRefusals?: number;
}

/**
 * Where a session is kept between visits. All may be promises. `lock` runs one at a time of those that share the store: with it,
 * clients (such as tabs) that share a session refresh it once.
 */
export interface SessionStore {
  load(): Session | null | undefined | Promise<Session | null | undefined>;
  save(session: Session): void | Promise<void>;
  clear(): void | Promise<void>;
  lock?<T>(run: () => Promise<T>): Promise<T>;
}

/** Forgets with the program. */
export function memoryStore(): SessionStore;
/** The page's `localStorage`. Tabs share the session. */
export function localStorageStore(key?: string): SessionStore;

export type LogLevel = "info" | "warn";

/** What `badNetwork` of `godra/testing` makes. */
export type Simulation = (open: (...args: any[]) => any, platform: any) => (...args: any[]) => any;

export interface GodraOptions {
  /** Where the session is kept: `auth.ensure()` and `auth.restore()` go on with it. */
  store?: SessionStore;
  /** What `auth.session` said earlier: goes on with that login. For one client at a time, as its refresh token is good once. */
  session?: Session;
  /** Called with the session whenever it changes, and with null when it has ended: keep it in a safe place. */
  onSession?: (session: Session | null, cause?: GodraError) => void;
  /** Used where a call is given no token. */
  token?: string;
  /** The WebSocket class, for runtimes without a global one (Node 20: `import WebSocket from "ws"`). */
  WebSocket?: WebSocketClass;
  /** Used in place of the global `fetch`. */
  fetch?: typeof fetch;
  /** Time limit of an HTTP call and of `realtime.request` in milliseconds (10000). */
  requestTimeoutMs?: number;
  /** Time limit from the start of a connection to its welcome in milliseconds (10000). */
  connectTimeoutMs?: number;
  /** Pause between the heartbeats that find a dead connection, in milliseconds (20000); 0 for none. */
  heartbeatMs?: number;
  /** With more unsent bytes than this an input is not sent (1 MiB). */
  maxBufferedBytes?: number;
  /** How lost connections are made again; false for never. */
  reconnect?: ReconnectOptions | false;
  /** A message of more bytes is not sent, but fails with `too_large` (65536, as at the server). */
  maxMessageBytes?: number;
  /** Is told what a handler of the game throws, or rejects with. Without it: as an uncaught error, which ends Node's process. */
  onHandlerError?: (error: unknown, event: string) => void;
  /** Is told what the SDK notices. Never a token. Without it, warnings go to the console. */
  logger?: (level: LogLevel, message: string, fields: Record<string, unknown>) => void;
  /** A bad network, for trying out a game: `badNetwork({ latencyMs: 100 })` of `godra/testing`. */
  simulate?: Simulation;
  /** Whether a connection that is made again goes on from the last event seen (true), or gets the whole state each time. */
  resume?: boolean;
  /** Which of several games on the server is played: its name. Without it, the default one. */
  game?: string;
}

export interface Login {
  token: string;
  /** Good for one refresh; the SDK uses it by itself. */
  refresh_token: string;
  /** Seconds that the token is good for. */
  expires_in: number;
  user_id: string;
  username: string;
  role: Role;
}

/** A login, and when its token ends, in milliseconds since 1970. */
export interface Session extends Login {
  expires_at: number;
}

/** Whose token it is. */
export interface Account {
  user_id: string;
  username: string;
  role: Role;
  /** Seconds that the token is still good for. */
  expires_in: number;
}

/** What a game keeps for long. */
export interface StoredDocument {
  collection: string;
  key: string;
  version: number;
  /** The form of its value. */
  schema: number;
  owner?: string | null;
  /** In ms since 1970. */
  updated_at: number;
  value: Json;
}

/** A change of a ledger's account, kept for good. */
export interface LedgerEntry {
  collection: string;
  key: string;
  /** The version that the account has had since. */
  version: number;
  /** What a repetition of the change is known by. */
  entry_key: string | null;
  changes: Record<string, number>;
  /** Of the items that changed, after it. */
  balances: Record<string, number>;
  reason: string;
  /** In ms since 1970. */
  at: number;
}

/** The state of a lobby as the stock script `on_snapshot` gives it is up to the scripts: type it yourself. */
export interface Welcome<State = any> {
  user_id: string;
  username: string;
  role: Role;
  /** The lobby's id, without `game:`. */
  game_id: string;
  /** Changes when the server lost the lobby's history. */
  epoch: string;
  /** The lobby's last event that `state` holds. */
  seq: number;
  /** The last of the player's numbered inputs that ran; 0 if none did. Older servers take no numbered inputs, and tell none. */
  n?: number;
  /** Only after a reconnect: nothing was lost, `state` is null, keep yours. The events that were missed follow. */
  recovered: boolean;
  state: State;
  /** Events leave the server at most this often, in milliseconds. */
  sync_interval_ms: number;
  /** The server's clock when it sent this, in ms since the Unix epoch. Older servers tell none. */
  now?: number;
}

export interface GameEvent<Payload = any> {
  type: string;
  payload: Payload;
  /** Numbers the lobby's events; it rises from one to the next. What a player does not see was for others. */
  seq?: number;
}

export interface Disconnected {
  /** The WebSocket close code; 1006 for a connection that broke. */
  code: number;
  reason: string;
  willReconnect: boolean;
}

export interface Reconnecting {
  /** From 1, since the last good connection, or since network or page came back. */
  attempt: number;
  delayMs: number;
}

/** Events of the SDK itself, and those that the server sends by itself. All others are named by the scripts. */
export interface RealtimeEvents {
  /**
   * The welcome came, after `connect` and after every reconnect; no event of this connection came before it. With `recovered`
   * the game keeps its state and the missed events follow, else `state` replaces it.
   */
  connected: Welcome;
  disconnected: Disconnected;
  /** A further attempt will be made after `delayMs`. */
  reconnecting: Reconnecting;
  /** An input failed that nobody waits for, or the server sent what makes no sense. */
  error: GodraError;
  /** Every event, the welcome and snapshots among them, in order. */
  state_update: GameEvent;
  welcome: Welcome;
  /** The lobby's whole state, in place of events that this connection missed. */
  snapshot: any;
}

/**
 * What a game's scripts take and publish, for types alone: `new GodraClient<MyGame>(url)`. An action is its payload's type, or a
 * function from the payload to the result.
 */
export interface Game {
  /** What `on_snapshot` gives, and reducers keep. */
  state?: any;
  /** Event → payload. */
  events?: Record<string, any>;
  /** Action → payload, or `(payload) => result`. */
  actions?: Record<string, any>;
}

/** Where a game does not say: everything goes. */
export interface AnyGame {
  state: any;
  events: Record<string, any>;
  actions: Record<string, any>;
}

type StateOf<G extends Game> = G extends { state: infer S } ? S : any;
type EventsOf<G extends Game> = G extends { events: infer E } ? E : Record<string, any>;
type ActionsOf<G extends Game> = G extends { actions: infer A } ? A : Record<string, any>;
type PayloadOf<A> = A extends (payload: infer P) => any ? P : A;
type ResultOf<A> = A extends (payload: any) => infer R ? R : any;
type NameOf<M> = keyof M & string;
/** Whether it may be left out. */
type PayloadArgument<P> = undefined extends P ? [payload?: P] : null extends P ? [payload?: P] : [payload: P];

export type Connection = "joining" | "joined" | "rejoining" | "left";
export type Unsubscribe = () => void;

export interface ListenOptions {
  /** Ends it. */
  signal?: AbortSignal;
  /** Ends it after the first call. */
  once?: boolean;
}

export interface RoomDisconnected extends Disconnected {
  /** Why; null where the game itself closed the room. With `willReconnect` false it may be a refusal, or `session_ended`. */
  cause: GodraError | null;
}

/** What a room tells by itself. A script's event of the same name is reached by `onEvent`. */
export interface RoomEvents<State = any> {
  /** Joined, or joined again; before any event of that connection. `recovered` tells whether the state was kept. */
  connected: Welcome<State>;
  /** A further attempt will be made after `delayMs`. */
  reconnecting: Reconnecting;
  /** Once for each connection that was lost, and exactly once with `willReconnect` false: the end. */
  disconnected: RoomDisconnected;
  /** The state was replaced. */
  snapshot: State;
  /** Something failed that nobody awaits. Without a listener it is logged, once for each code. */
  error: GodraError;
}

export type Reducers<G extends Game = AnyGame> = {
  [K in NameOf<EventsOf<G>>]?: (state: StateOf<G>, payload: EventsOf<G>[K], event: GameEvent<EventsOf<G>[K]>) => StateOf<G> | void;
};

export interface RoomStats {
  reconnects: number;
  events: number;
  framesReceived: number;
  framesSent: number;
  /** As text has characters: bytes, where it is ASCII. */
  bytesReceived: number;
  bytesSent: number;
  /** Inputs that were not sent, as there was no connection or the network was far behind. */
  droppedInputs: number;
  /** Events that were known already. */
  droppedEvents: number;
  badMessages: number;
}

export interface NextOptions<Payload = any> {
  /** Rejects with `timeout` after it. Without it there is no limit. */
  timeoutMs?: number;
  signal?: AbortSignal;
  /** Only an event for which this is true. */
  where?: (event: GameEvent<Payload>) => boolean;
}

/** One lobby, over all its connections. Made by `client.join` and `client.createRoom`. */
export class Room<G extends Game = AnyGame> {
  private constructor();
  /** The lobby's id, without `game:`. */
  readonly id: string;
  readonly connection: Connection;
  /** Who this client is there; undefined before the first welcome. */
  readonly me: { userId: string; username: string; role: Role };
  /** The last one's payload; null before the first. */
  readonly welcome: Welcome<StateOf<G>> | null;
  /** The welcome's or snapshot's state, with all later events applied for which there are reducers. */
  readonly state: StateOf<G>;
  /** Median of the last five heartbeats' round trips in milliseconds; null before the first. */
  readonly latencyMs: number | null;
  /** Events leave the server at most this often, in milliseconds. */
  readonly syncInterval: number | null;
  /** The server's clock, in milliseconds since 1970; null while that is not known. */
  serverTime(): number | null;

  /** Calls `callback(payload, event)` for every event of that name; gives back a function that ends it. */
  on<K extends keyof RoomEvents>(event: K, callback: (payload: RoomEvents<StateOf<G>>[K], event?: GameEvent) => unknown, options?: ListenOptions): Unsubscribe;
  on<K extends NameOf<EventsOf<G>>>(event: K, callback: (payload: EventsOf<G>[K], event: GameEvent<EventsOf<G>[K]>) => unknown, options?: ListenOptions): Unsubscribe;
  /** Ends what `on` began; without a callback, for all callbacks of that name. */
  off(event: string, callback?: (...args: any[]) => unknown): void;
  /** For events of scripts alone, whatever their name; without a name, for all of them. */
  onEvent(callback: (payload: any, event: GameEvent) => unknown, options?: ListenOptions): Unsubscribe;
  onEvent<K extends NameOf<EventsOf<G>>>(event: K, callback: (payload: EventsOf<G>[K], event: GameEvent<EventsOf<G>[K]>) => unknown, options?: ListenOptions): Unsubscribe;
  /** Calls back when the state may have changed: at most once for each message from the server. */
  onChange(callback: (state: StateOf<G>) => unknown, options?: ListenOptions): Unsubscribe;
  /** Resolves with the next event of that name; rejects with `disconnected` when the room is left first. */
  next<K extends NameOf<EventsOf<G>>>(event: K, options?: NextOptions<EventsOf<G>[K]>): Promise<GameEvent<EventsOf<G>[K]>>;
  next<K extends keyof RoomEvents>(event: K, options?: NextOptions): Promise<GameEvent<RoomEvents<StateOf<G>>[K]>>;
  /** All events of scripts from now on; ends when the room is left. Throws `queue_full` when 4096 wait to be taken. */
  events(): AsyncIterableIterator<GameEvent>;
  /** From now on, events change the state by these. */
  reduce(reducers: Reducers<G>): this;

  /** Now or never, at most once. Gives false if it was not sent: not connected, or the network is far behind. */
  send<K extends NameOf<ActionsOf<G>>>(action: K, ...payload: PayloadArgument<PayloadOf<ActionsOf<G>[K]>>): boolean;
  /** Newest wins: at most one an interval and key (the action, without one) is sent. */
  sendLatest<K extends NameOf<ActionsOf<G>>>(action: K, payload: PayloadOf<ActionsOf<G>[K]>, key?: string): void;
  /** Resolves with the script's result, or rejects with the one reason. */
  request<K extends NameOf<ActionsOf<G>>>(action: K, payload?: PayloadOf<ActionsOf<G>[K]>, options?: RequestOptions): Promise<ResultOf<ActionsOf<G>[K]>>;
  /** Measures a round trip to the server, in milliseconds. */
  ping(options?: { timeoutMs?: number; signal?: AbortSignal }): Promise<number>;

  /** Ends the membership, and closes. */
  leave(): Promise<void>;
  /** Ends the connection for good. The server may keep the membership: joining again goes on with it. */
  close(): void;
  /** Network or app came back: finds out at once whether the connection lives, or tries again. For platforms that do not tell. */
  checkNow(): void;
  stats(): RoomStats;
}

export interface JoinOptions<G extends Game = AnyGame> {
  /** Takes the join back: it rejects with `cancelled`. */
  signal?: AbortSignal;
  /** Called with the room before its connection is made: the place to set handlers and reducers, so that none misses an event. */
  prepare?: (room: Room<G>) => void;
  /** What the room's `on_connect` gets to know at each connection: an object of at most 1 KiB of JSON. Those of the first `join` count. */
  options?: Record<string, Json>;
}

export interface RequestOptions {
  /** Time limit in milliseconds: `requestTimeoutMs` without it, or with `once` none. */
  timeoutMs?: number;
  /**
   * Runs exactly once, also if connections are lost before or after it has run. It waits while there is no connection, and
   * resolves with `{duplicate: true}` if it ran and the server does not know its result any more.
   */
  once?: boolean;
  /** Takes it back: it rejects with `cancelled`, and its answer is of no interest any more. */
  signal?: AbortSignal;
}

/** A device's id and secret. Whoever has them has the account. */
export interface Device {
  device_id: string;
  secret: string;
}

/** A new device, at random: keep it where other programs do not read it. */
export function newDevice(): Device;

/** A way to log in without a password: a token of another issuer, or a device. */
export type Identity = { token: string } | Device;

/** What shows that an account is the caller's. */
export type OwnerProof = { password: string } | Identity;

/** An account's ways to log in besides its password; a device's issuer is `device`. `linked_at` is in ms since the Unix epoch. */
export interface Identities {
  identities: { issuer: string; subject: string; linked_at: number }[];
  has_password: boolean;
}

/** A login without a password. `created`: it made the account. */
export type IdentityLogin = Login & { created: boolean };

export interface Auth {
  /** Goes on with the session that is kept, if it is still good; else logs in as a guest. */
  ensure(): Promise<Session>;
  /** Takes the session out of the store, if there is none yet; resolves with the session, or null. */
  restore(): Promise<Session | null>;
  /**
   * Asks for a guest's token, and makes it the client's own. Other players see `nickname`, which is no account's and need not be the only
   * one: rejects with `conflict` if an account has that name, `bad_request` with the rule it breaks.
   */
  guestLogin(options?: { nickname?: string }): Promise<Login>;
  /** Makes an account, without logging in. Rejects with `conflict` if the name is taken, `bad_request` with the rule it breaks. */
  register(username: string, password: string): Promise<{ user_id: string; username: string; role: Role }>;
  /** Rejects with `unauthorized` if name or password is wrong, `rate_limited` after too many failures. */
  login(username: string, password: string): Promise<Login>;
  /** Logs in with a token of another issuer, such as the studio's own login. Rejects with `unauthorized` if it is not good. */
  loginWithToken(token: string): Promise<IdentityLogin>;
  /** Logs in with a device: what `newDevice` made once, and the game has kept. Rejects with `unauthorized` if the secret is wrong. */
  loginWithDevice(device: Device): Promise<IdentityLogin>;
  /** The account's other ways to log in. */
  identities(): Promise<Identities>;
  /**
   * Links one more way to log in; rejects with `conflict` if it is another account's. An account gives a `proof`: its password, or a
   * way that is linked already. A guest needs none, becomes a player, and goes on as that, as with `upgrade`: it gets a login.
   */
  linkIdentity(identity: Identity, options?: { proof?: OwnerProof; lobbies?: string[] }): Promise<Identities | IdentityLogin>;
  /** Takes a way to log in from the account; all its other sessions end. Rejects with `conflict` if it is the last one. */
  unlinkIdentity(identity: { issuer: string; subject: string }, options: { proof: OwnerProof }): Promise<void>;
  /**
   * Makes the guest that is logged in a player with an account, and goes on as that. What the guest has in lobbies goes over
   * to the new user id: in those where it has called or been, which the server knows, and in `lobbies`.
   */
  upgrade(username: string, password: string, options?: { lobbies?: string[] }): Promise<Login>;
  /** Changes the password; all other sessions of the account end. */
  changePassword(oldPassword: string, newPassword: string): Promise<void>;
  /**
   * Gives the account another name, by its password or a `proof` as in `linkIdentity`; rooms see it when the player joins again.
   * Rejects with `conflict` if the name is taken, `forbidden` if the password or the proof is wrong.
   */
  rename(username: string, shown: string | { proof: OwnerProof }): Promise<{ user_id: string; username: string; role: Role }>;
  /** Deletes the account for good, and ends the session with all its rooms. It takes what `rename` takes; a guest shows nothing. */
  deleteAccount(shown?: string | { proof: OwnerProof }): Promise<void>;
  /**
   * Sets another password by a code that the game's operator has sent; `login` comes after it. Rejects with `unauthorized` if name
   * or code is wrong, `rate_limited` after too many failures.
   */
  resetPassword(username: string, code: string, password: string): Promise<void>;
  /** Whose session this is. */
  account(): Promise<Account>;
  /** What is kept of the player for long, a page of it; all pages together are the player's own data. */
  data(options?: { cursor?: string; limit?: number }): Promise<{ documents: StoredDocument[]; entries?: LedgerEntry[]; cursor?: string }>;
  /** One document that the player may read. */
  document(collection: string, key: string): Promise<StoredDocument>;
  /** Forgets the session, ends its rooms, and ends it on the server. */
  logout(): Promise<void>;
  /** Gets new tokens now; done by itself when a call needs them. */
  refresh(): Promise<Login>;
  /** The session's token, refreshed if it is near its end; `client.token` without a session; null without either. */
  freshToken(): Promise<string | null>;
  /** What is to be kept so that a later client can go on: the option `session`. */
  readonly session: Session | null;
}

export interface LobbyInfo {
  /** `game:` and the id. */
  id: string;
  members: number;
  capacity: number;
  /** Milliseconds since 1970. */
  created_at: number;
}

export interface LobbyPage {
  lobbies: LobbyInfo[];
  /** For the next page; null at the end. */
  cursor: string | null;
}

/** Each call takes a token, or null for the client's own. Lobby ids are taken with or without `game:`. */
export interface Lobby {
  /** Makes a lobby for up to `maxPlayers` (the script's default without it); resolves with `game:` and its id. */
  createLobby(token: string | null | undefined, maxPlayers?: number): Promise<string>;
  /** Joins ahead of connecting; rejects with the reason if that is not possible. */
  joinLobby(token: string | null | undefined, lobbyId: string): Promise<any>;
  leaveLobby(token: string | null | undefined, lobbyId: string): Promise<any>;
  /** The newest lobbies first, up to 100 (20) a page; `cursor` is that of the page before. */
  listLobbies(token?: string | null, page?: { limit?: number; cursor?: string | null }): Promise<LobbyPage>;
}

export interface Realtime {
  readonly connected: boolean;
  readonly welcome: Welcome | null;
  /** The last measured round trip in milliseconds. */
  readonly latencyMs: number | null;
  /**
   * Connects to a lobby and resolves with the welcome's payload. Set handlers with `on` first: events may follow the
   * welcome at once. A function as token is called before each attempt, so that it can give a fresh one.
   */
  connect<State = any>(
    token: string | (() => string | Promise<string>) | null | undefined,
    lobbyId: string,
  ): Promise<Welcome<State>>;
  on<Name extends keyof RealtimeEvents>(
    event: Name,
    callback: (payload: RealtimeEvents[Name], event?: GameEvent) => void,
  ): () => void;
  on<Payload = any>(event: string, callback: (payload: Payload, event: GameEvent<Payload>) => void): () => void;
  off(event: string, callback?: (...args: any[]) => void): void;
  /** Gives false if the input was not sent: not connected, or the network is far behind. */
  sendInput(action: string, payload?: unknown): boolean;
  /** Resolves with the script's result, or rejects with its error. */
  request<Result = any>(action: string, payload?: unknown, options?: RequestOptions): Promise<Result>;
  /** Measures a round trip to the server, in milliseconds. */
  ping(options?: { timeoutMs?: number }): Promise<number>;
  close(): void;
}

export class GodraClient<G extends Game = AnyGame> {
  /** In a browser the page's own server is the default. */
  constructor(baseUrl?: string | URL, options?: GodraOptions);
  readonly auth: Auth;
  /** The login; null without one. */
  readonly session: Session | null;
  /** Calls back whenever the session changes: with null when it has ended, and with why if the game did not end it itself. */
  onSession(callback: (session: Session | null, cause?: GodraError) => unknown): Unsubscribe;
  /** Joins a lobby; resolves with its room when it is joined. A room that this client is in already is given as it is. */
  join(lobbyId: string, options?: JoinOptions<G>): Promise<Room<G>>;
  /** Makes a lobby and joins it. `capacity` and `settings` are those of the script `create_lobby`. */
  createRoom(options?: { capacity?: number; settings?: Record<string, Json> } & JoinOptions<G>): Promise<Room<G>>;
  /** The newest lobbies first, up to 100 (20) a page; `cursor` is that of the page before. */
  listRooms(page?: { limit?: number; cursor?: string | null; signal?: AbortSignal }): Promise<LobbyPage>;
  /** All lobbies, the newest first; pages are asked for as they are needed. */
  rooms(options?: { limit?: number; signal?: AbortSignal }): AsyncIterableIterator<LobbyInfo>;
  /** Runs a script by RPC and resolves with its result. */
  rpc<Result = any>(script: string, args?: Json[], options?: { keys?: string[]; signal?: AbortSignal; timeoutMs?: number } | null): Promise<Result>;
  /** The same, as it was before there were options. */
  rpc<Result = any>(script: string, args?: Json[], keys?: string[], options?: { token?: string | null }): Promise<Result>;
  /** Network or app came back, for platforms that do not tell: all rooms check their connections. */
  checkNow(): void;
  /** Ends all connections and calls. The session is kept. */
  close(): Promise<void>;

  /** The calls of this SDK before it had rooms: they go on as they were. */
  readonly lobby: Lobby;
  readonly realtime: Realtime;
  /** Used where a call is given no token; every login sets it. */
  token: string | null;
}
