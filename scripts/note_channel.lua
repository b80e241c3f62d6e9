-- Notes in which rooms somebody listens to a channel; `join_channel` and `deliver_channel` tell.
--
-- ROLE: server
-- KEYS: channels:rooms, channels:swept
-- ARGV: "", {channel, room, listens: true or false, swept: true when it is noted for the second time}

local MAX_ROOMS = 500 -- of a channel: a message is told to each of them
local SWEEP_MS = 10000 -- between two sweeps of a channel
local AGAIN_MS = 1000 -- after a sweep has begun, those that nobody listens in have said so

-- All channels' rooms are in one sorted set of equal scores, as channel:room.
local note = cjson.decode(ARGV[2])
local name = note.channel .. ":"
local first, behind = "[" .. name, "(" .. name .. "\255"
if not note.listens then
  redis.call("ZREM", KEYS[1], name .. note.room)
  return
elseif redis.call("ZLEXCOUNT", KEYS[1], first, behind) < MAX_ROOMS then
  redis.call("ZADD", KEYS[1], 0, name .. note.room)
  return
elseif redis.call("ZSCORE", KEYS[1], name .. note.room) then
  return
elseif note.swept then
  godra.tell(note.room, "deliver_channel", { channel = note.channel, is_full = true })
  return
end

-- Rooms may have gone since the last message. All of a channel are asked, but not whenever somebody comes.
redis.call("ZREMRANGEBYSCORE", KEYS[2], "-inf", godra.now - SWEEP_MS)
local swept = redis.call("ZSCORE", KEYS[2], note.channel)
if not swept or tonumber(swept) > godra.now then
  redis.call("ZADD", KEYS[2], godra.now, note.channel)
  local rooms = redis.call("ZRANGEBYLEX", KEYS[1], first, behind)
  for i = 1, #rooms do
    godra.tell(string.sub(rooms[i], #name + 1), "deliver_channel", { channel = note.channel, is_sweep = true })
  end
end
note.swept = true
godra.tell(nil, "note_channel", note, { after = AGAIN_MS })
