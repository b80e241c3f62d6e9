-- The rooms of a guest that has become a player.
-- KEYS: guests by their last sign of life, the guest's rooms; ARGV: user_id
-- Returns a list of the rooms and an empty text.
local rooms = redis.call("HKEYS", KEYS[2])
rooms[#rooms + 1] = ""
return rooms
