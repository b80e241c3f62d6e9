-- Listens to a chat channel from the caller's room. A channel reaches over all rooms.
--
-- ROLE: guest
-- KEYS: game:{room}:players
-- ARGV: user_id, {"channel": NAME}     a to z, 0 to 9, _ and -, up to 32 of them
-- The caller gets channel_message {channel, user_id, username, message, timestamp} from then on. Returns OK.

local ok, payload = pcall(cjson.decode, ARGV[2] or "")
local channel = ok and type(payload) == "table" and payload.channel
if type(channel) ~= "string" or #channel > 32 or not string.find(channel, "^[a-z0-9_-]+$") then
  godra.error("bad_request", "channel must be 1 to 32 of a-z, 0-9, _ and -")
elseif redis.call("SISMEMBER", KEYS[1], ARGV[1]) == 0 then
  godra.error("forbidden", "You are not in this lobby")
end
godra.join("channel:" .. channel)
godra.tell(nil, "note_channel", { channel = channel, room = godra.room, listens = true })
return "OK"
