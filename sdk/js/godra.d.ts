/** A JSON value. */
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** Who may do what: guest < player < manager. */
export type Role = "guest" | "player" | "manager";

/**
 * Why something failed. From the server: `unauthorized`, `forbidden`, `bad_request`, `not_found`, `conflict`,
 * `too_large`, `rate_limited`, `script_error`, `script_timeout`, `busy`, `unavailable`, or a script's own code.
 * From the SDK: `unavailable` (no answer from the network), `timeout`, `bad_response`, `bad_message`, `disconnected`,
 * `cancelled`, `refused` (the WebSocket, for a reason that browsers hide), `closed` (before the welcome), `no_websocket`,
 * `queue_full` (64 requests with `once` wait already), `unsupported` (the server takes none).
 */
export class GodraError extends Error {
  constructor(
    code: string,
    message: string,
    more?: Partial<Pick<GodraError, "status" | "details" | "retryAfter" | "closeCode" | "outcome">> & { cause?: unknown },
  );
  readonly name: "GodraError";
  readonly code: string;
  /** The HTTP status, where there was an answer. */
  readonly status?: number;
  /** What the script added to its error. */
  readonly details?: any;
  /** Seconds to wait, when the server said so. */
  readonly retryAfter?: number;
  /** The WebSocket's close code, where there was one. */
  readonly closeCode?: number;
  /**
   * Of an input: whether it ran. `none`: it did not and will not by itself, or the script refused it with a code of the server's.
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
  /** So many attempts in a row that the server itself refused end the reconnecting (5). */
  maxRefusals?: number;
}

export interface GodraOptions {
  /** What `auth.session` said earlier: goes on with that login. For one client at a time, as its refresh token is good once. */
  session?: Session;
  /** Called with the session whenever it changes, and with null when it has ended: keep it in a safe place. */
  onSession?: (session: Session | null) => void;
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
  /** Whether a connection that is made again goes on from the last event seen (true), or gets the whole state each time. */
  resume?: boolean;
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
  /** The server's clock when it sent this, in ms since the Unix epoch. */
  now: number;
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
  /** From 1, since the last good connection. */
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

export interface RequestOptions {
  /** Time limit in milliseconds: `requestTimeoutMs` without it, or with `once` none. */
  timeoutMs?: number;
  /**
   * Runs exactly once, also if connections are lost before or after it has run. It waits while there is no connection, and
   * resolves with `{duplicate: true}` if it ran and the server does not know its result any more.
   */
  once?: boolean;
}

export interface Auth {
  /** Asks for a guest's token, and makes it the client's own. */
  guestLogin(): Promise<Login>;
  /** Makes an account, without logging in. Rejects with `conflict` if the name is taken, `bad_request` with the rule it breaks. */
  register(username: string, password: string): Promise<{ user_id: string; username: string; role: Role }>;
  /** Rejects with `unauthorized` if name or password is wrong, `rate_limited` after too many failures. */
  login(username: string, password: string): Promise<Login>;
  /**
   * Makes the guest that is logged in a player with an account, and goes on as that. What the guest has in lobbies goes over
   * to the new user id: in those where it has called or been, which the server knows, and in `lobbies`.
   */
  upgrade(username: string, password: string, options?: { lobbies?: string[] }): Promise<Login>;
  /** Changes the password; all other sessions of the account end. */
  changePassword(oldPassword: string, newPassword: string): Promise<void>;
  /** Whose session this is. */
  account(): Promise<Account>;
  /** Ends the session here and on the server. */
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

export class GodraClient {
  /** In a browser the page's own server is the default. */
  constructor(baseUrl?: string | URL, options?: GodraOptions);
  /** Used where a call is given no token; every login sets it. */
  token: string | null;
  readonly auth: Auth;
  readonly lobby: Lobby;
  readonly realtime: Realtime;
  /** Runs a script by RPC and resolves with its result. */
  rpc<Result = any>(
    script: string,
    args?: Json[],
    keys?: string[],
    options?: { token?: string | null },
  ): Promise<Result>;
}
