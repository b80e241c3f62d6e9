-- Gives a player items, or takes some; for managers.
--
-- ROLE: manager
-- DATA: inventory/{arg:user_id}
-- KEYS: presence
-- ARGV: user_id, {user_id, items: {<name>: a whole number, below 0 to take}}
-- Returns JSON text: {<name>: what the player has of these now}. Publishes items_changed as give_items does.

return cjson.encode(require("items").give(godra.payload.user_id, godra.payload.items, KEYS[1]))
