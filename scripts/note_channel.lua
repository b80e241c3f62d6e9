-- Notes in which rooms somebody listens to a channel; `join_channel` and `deliver_channel` tell.
--
-- ROLE: server
-- KEYS: channels:rooms
-- ARGV: "", {channel, room, listens: true or false}

local MAX_ROOMS = 500 -- of a channel: a message is told to each of them

-- All channels' rooms are in one sorted set of equal scores, as channel:room.
local note = cjson.decode(ARGV[2])
local name = note.channel .. ":"
if not note.listens then
  redis.call("ZREM", KEYS[1], name .. note.room)
elseif redis.call("ZLEXCOUNT", KEYS[1], "[" .. name, "(" .. name .. "\255") < MAX_ROOMS then
  redis.call("ZADD", KEYS[1], 0, name .. note.room)
end
