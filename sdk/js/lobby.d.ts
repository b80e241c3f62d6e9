import type { Json } from "godra";

/** A player in the state of the stock scripts. */
export interface LobbyPlayer {
  user_id: string;
  username: string;
  /** There from the first move on. */
  x?: number;
  y?: number;
  /** The connection is lost, and the seat is kept. */
  away?: boolean;
}

/** What the stock script `on_snapshot` gives. */
export interface LobbyState {
  owner: string;
  capacity: number;
  status: string;
  created_at: number;
  bounds: { min_x: number; min_y: number; max_x: number; max_y: number };
  max_speed: number;
  players: Record<string, LobbyPlayer>;
  /** Fields that the action `set` wrote. */
  state: Record<string, Json>;
}

/** What the stock scripts publish. */
export interface LobbyEvents {
  player_joined: { user_id: string; username: string };
  player_left: { user_id: string; username: string; kicked?: boolean };
  player_away: { user_id: string; username: string };
  player_back: { user_id: string; username: string };
  player_moved: { user_id: string; x: number; y: number };
  player_upgraded: { old_id: string; user_id: string; username: string };
  state: { user_id: string; action: string; payload: Json };
  chat: { user_id: string; username: string; message: string; timestamp: number };
  broadcast: { message: string; timestamp: number };
}

/** The inputs of the stock scripts. */
export interface LobbyActions {
  move_player: (payload: { x: number; y: number }) => "OK";
  send_chat: (payload: { message: string }) => "OK";
  set: (payload: { [field: string]: Json }) => "OK";
}

/** The stock scripts as a typed game: `new GodraClient<LobbyGame>()`. */
export interface LobbyGame {
  state: LobbyState;
  events: LobbyEvents;
  actions: LobbyActions;
}

/** Keep `room.state` as the stock scripts have it: `room.reduce(lobbyReducers)`. */
export const lobbyReducers: {
  [K in "player_joined" | "player_left" | "player_away" | "player_back" | "player_moved" | "player_upgraded" | "state"]: (
    state: any,
    payload: any,
  ) => void;
};
