import type { AnyGame, Game, GameEvent, GodraOptions, Room, Simulation, Welcome } from "godra";

/** An input that the game sent. */
export interface SentInput {
  action: string;
  payload: any;
  id?: number;
  n?: number;
}

/**
 * A bad network, for the option `simulate` of a client: the round trip that is added in milliseconds, how much of it varies, and
 * after about how many seconds connections break.
 */
export function badNetwork(kind?: { latencyMs?: number; jitterMs?: number; dropEveryS?: number }): Simulation;

/** Time that stands still until it is moved. */
export class VirtualClock {
  now(): number;
  later(run: () => void, delayMs: number): () => void;
  /** Moves on, and runs what falls due, in order. Resolves when what that began has come to rest. */
  advance(ms: number): Promise<void>;
}

/** The server's side of one room. Messages go to the room at once. */
export class FakeServer {
  /** All that the game sent. */
  readonly sent: SentInput[];
  /** What each connection asked for. */
  readonly connections: Array<{ game_id: string; epoch?: string; since?: number }>;
  /** How the room closed its last connection; null if it did not. */
  readonly closed: { code: number; reason: string } | null;
  readonly isConnected: boolean;
  /** Lets the room in. What is left out is made up. */
  welcome(payload?: Partial<Welcome>): void;
  /** An event of the room, with the next number. */
  event(type: string, payload?: any, more?: Partial<GameEvent>): void;
  snapshot(state: any, more?: { seq?: number; epoch?: string }): void;
  /**
   * From now on, answers that action with what `answer(payload)` gives, or with the GodraError that it throws. Heartbeats are
   * answered by themselves; with null in place of a function, an action is not.
   */
  answer(action: string, answer: ((payload: any) => any) | null): void;
  /** Answers one of `sent`. */
  reply(input: SentInput, result?: any): void;
  /** Fails one of `sent`, or (null) none of them. */
  fail(input: SentInput | null, code: string, message?: string, details?: any): void;
  /** Refuses the connection that waits for its welcome, with a status of HTTP. */
  refuse(status: number, code: string, message?: string, details?: any): void;
  /** Ends the connection; without a code as a network does. */
  close(code?: number, reason?: string): void;
  /** From now on nobody is there, until `comeBack`. */
  goAway(): void;
  comeBack(): void;
  /** Any message, right or wrong: an object, or text as it is. */
  message(message: object | string): void;
}

export interface FakeOptions<G extends Game = AnyGame> extends GodraOptions {
  /** The lobby's id (test). */
  id?: string;
  /** 0 to 1, where the SDK draws lots (always 0.5). */
  random?: () => number;
  /** Called with the room before its connection is made. */
  prepare?: (room: Room<G>) => void;
}

export interface Fake<G extends Game = AnyGame> {
  room: Room<G>;
  server: FakeServer;
  clock: VirtualClock;
  /** What `join` would have given. */
  joined: Promise<Room<G>>;
}

/** A real room whose server is the test, and whose time goes only when the test says so. */
export const FakeRoom: {
  /** One that has its welcome. */
  join<G extends Game = AnyGame>(options?: FakeOptions<G> & { welcome?: Partial<Welcome> }): Promise<Fake<G>>;
  /** One that waits for it. */
  connect<G extends Game = AnyGame>(options?: FakeOptions<G>): Fake<G>;
};
