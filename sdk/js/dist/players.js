// The Godra SDK. Made from src/ by `npm run build`: change it there.

// src/players.js
import { GodraError } from "./godra.js";
var Players = class {
  #client;
  constructor(client) {
    this.#client = client;
  }
  /** The player's own, made by the first call: `{user_id, username, name, avatar?, settings, seen, version}`. */
  profile() {
    return this.#json("get_profile");
  }
  /** `{name?, avatar?, settings?, version?}`; null takes back. Gives the profile. */
  setProfile(changes) {
    return this.#json("set_profile", changes);
  }
  /** What others may see of a player. */
  viewProfile(userId) {
    return this.#json("view_profile", { user_id: userId });
  }
  /** `{friends, asks, asked, blocked}` */
  friends() {
    return this.#json("list_friends");
  }
  /** Each of these gives how it stands then: "friends", "asked", "none" or "blocked". */
  askFriend(userId) {
    return this.#friend("ask", userId);
  }
  acceptFriend(userId) {
    return this.#friend("accept", userId);
  }
  declineFriend(userId) {
    return this.#friend("decline", userId);
  }
  /** Ends a friendship, or takes back an ask. */
  removeFriend(userId) {
    return this.#friend("remove", userId);
  }
  block(userId) {
    return this.#friend("block", userId);
  }
  unblock(userId) {
    return this.#friend("unblock", userId);
  }
  /** `{items, offers}` */
  inventory() {
    return this.#json("get_inventory");
  }
  /** Gives `{status: "offered", version, ends_at}`. */
  offerTrade(userId, { gives = {}, takes = {} }) {
    return this.#json("trade", { verb: "offer", user_id: userId, gives, takes });
  }
  /** Accepts what was seen: another version by now is a `conflict`, with what is offered as its details. */
  acceptTrade({ user_id, version }) {
    return this.#json("trade", { verb: "accept", user_id, version });
  }
  cancelTrade(userId) {
    return this.#json("trade", { verb: "cancel", user_id: userId });
  }
  /** Claims the day's reward, once however often it is called: `{claimed, is_open, streak, reward, next_at, reminds}`. */
  claimDaily() {
    return this.#json("claim_daily", {});
  }
  /** The same, and only looks. */
  daily() {
    return this.#json("claim_daily", { claim: false });
  }
  /** How a season has ended. */
  season(name) {
    return this.#json("season", { name });
  }
  #friend(verb, userId) {
    return this.#client.rpc("change_friends", [{ verb, user_id: userId }]);
  }
  async #json(script, argument) {
    const text = await this.#client.rpc(script, argument === void 0 ? [] : [argument]);
    try {
      const value = JSON.parse(text);
      if (typeof value === "object" && value !== null) return value;
    } catch {
    }
    throw new GodraError("bad_response", `The answer of ${script} is not the JSON text of an object`);
  }
};
export {
  Players
};
