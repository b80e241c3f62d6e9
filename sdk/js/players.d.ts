import type { GodraClient } from "godra";

/** What others may see of a player. */
export interface PublicProfile {
  user_id: string;
  /** The account's. */
  username: string;
  /** What the player calls itself; the username if it has not said. */
  name: string;
  /** The id of a picture, or an `https://` address. */
  avatar?: string;
  /** When the player was last there, in ms since 1970, to some minutes. */
  seen: number;
}

export interface OwnProfile extends PublicProfile {
  settings: Record<string, string | number | boolean>;
  version: number;
}

/** What is left out stays; null takes back. */
export interface ProfileChanges {
  name?: string | null;
  avatar?: string | null;
  settings?: Record<string, string | number | boolean | null>;
  /** The version that was seen: with another one by now the call fails with `conflict`. */
  version?: number;
}

export interface Friend {
  user_id: string;
  name: string;
  since: number;
  online: boolean;
  /** The public ones, as `game:ID`. */
  rooms: string[];
}

export interface FriendAsk {
  user_id: string;
  name: string;
  at: number;
}

export interface FriendList {
  friends: Friend[];
  /** Who wants to be a friend. */
  asks: FriendAsk[];
  /** Whom the player has asked. */
  asked: FriendAsk[];
  /** User ids. */
  blocked: string[];
}

export type Friendship = "friends" | "asked" | "none" | "blocked";

/** How many of each. */
export type Items = Record<string, number>;

/** An open offer, told from the side of who reads it. */
export interface TradeOffer {
  user_id: string;
  version: number;
  /** Who has made it. */
  by: string;
  gives: Items;
  takes: Items;
  ends_at: number;
}

export interface DailyReward {
  /** Whether this call has claimed it. */
  claimed: boolean;
  is_open: boolean;
  /** Days in a row. */
  streak: number;
  reward: Items;
  next_at: number;
  reminds: boolean;
}

export interface SeasonEntry {
  rank: number;
  user_id: string;
  username: string;
  score: number;
}

export interface Season {
  name: string;
  board: string;
  started_at: number;
  ended_at: number;
  players: number;
  entries: SeasonEntry[];
  me?: SeasonEntry;
}

/** What the stock scripts publish for one player. */
export interface PlayerEvents {
  friend_asked: { user_id: string; name: string };
  friend_accepted: { user_id: string; name: string };
  items_changed: { items: Items };
  trade_offered: TradeOffer;
  traded: { user_id: string; version: number; items: Items };
  trade_cancelled: { user_id: string };
  daily_ready: { streak: number };
}

/** What players keep, by the stock scripts. A guest is refused with `forbidden`. */
export class Players {
  constructor(client: GodraClient<any>);
  profile(): Promise<OwnProfile>;
  setProfile(changes: ProfileChanges): Promise<OwnProfile>;
  viewProfile(userId: string): Promise<PublicProfile>;
  friends(): Promise<FriendList>;
  askFriend(userId: string): Promise<Friendship>;
  acceptFriend(userId: string): Promise<Friendship>;
  declineFriend(userId: string): Promise<Friendship>;
  /** Ends a friendship, or takes back an ask. */
  removeFriend(userId: string): Promise<Friendship>;
  block(userId: string): Promise<Friendship>;
  unblock(userId: string): Promise<Friendship>;
  inventory(): Promise<{ items: Items; offers: TradeOffer[] }>;
  offerTrade(userId: string, offer: { gives?: Items; takes?: Items }): Promise<{ status: "offered"; version: number; ends_at: number }>;
  /** Accepts what was seen: another version by now is a `conflict`, with what is offered as its details. */
  acceptTrade(offer: { user_id: string; version: number }): Promise<{ status: "traded"; items: Items }>;
  cancelTrade(userId: string): Promise<{ status: "none" }>;
  /** Claims the day's reward, once however often it is called. */
  claimDaily(): Promise<DailyReward>;
  /** The same, and only looks. */
  daily(): Promise<DailyReward>;
  season(name: string): Promise<Season>;
}
