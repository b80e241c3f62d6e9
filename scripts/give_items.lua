-- Gives a player items, or takes some. Any script may have it done, such as one that knows who has won:
--   godra.tell(nil, "give_items", {user_id = id, items = {coin = 5, key = -1}})
-- All or nothing: who lacks what is to be taken gets nothing either, and the log says so.
--
-- ROLE: server
-- DATA: inventory/{arg:user_id}
-- KEYS: presence
-- ARGV: "", {user_id, items: {<name>: a whole number, below 0 to take}}
-- Publishes items_changed {items} (what the player has of these now) for the player, if it is in a room.

local gift = cjson.decode(ARGV[2])
require("items").give(gift.user_id, gift.items, KEYS[1])
