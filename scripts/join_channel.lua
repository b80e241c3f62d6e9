-- Listens to a chat channel from the caller's room. A channel reaches over all rooms.
--
-- ROLE: guest
-- KEYS: game:{room}:players, game:{room}:channels, game:{room}
-- ARGV: user_id, {"channel": NAME}     a to z, 0 to 9, _ and -, up to 32 of them
-- The caller gets channel_message {channel, user_id, username, message, timestamp} from then on; or soon channel_full {channel}, if
-- the channel has as many rooms as it may: then nothing comes, and who wants to tries again later. Returns OK.

local MAX_CHANNELS = 16 -- of a room
local LASTS_MS = 86400000 -- after which a room's channels are noted anew

local ok, payload = pcall(cjson.decode, ARGV[2] or "")
local channel = ok and type(payload) == "table" and payload.channel
if type(channel) ~= "string" or #channel > 32 or not string.find(channel, "^[a-z0-9_-]+$") then
  godra.error("bad_request", "channel must be 1 to 32 of a-z, 0-9, _ and -")
elseif redis.call("SISMEMBER", KEYS[1], ARGV[1]) == 0 then
  godra.error("forbidden", "You are not in this lobby")
end

-- Told once a room and channel, so that nobody joins and leaves to keep the others' messages waiting.
if redis.call("SISMEMBER", KEYS[2], channel) == 0 then
  if redis.call("SCARD", KEYS[2]) >= MAX_CHANNELS then
    godra.error("conflict", "A room listens to up to " .. MAX_CHANNELS .. " channels")
  end
  redis.call("SADD", KEYS[2], channel)
  local left_ms = redis.call("PTTL", KEYS[3])
  redis.call("PEXPIRE", KEYS[2], left_ms > 0 and left_ms or LASTS_MS)
  godra.tell(nil, "note_channel", { channel = channel, room = godra.room, listens = true })
end
godra.join("channel:" .. channel)
return "OK"
