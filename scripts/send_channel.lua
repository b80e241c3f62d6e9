-- Says something in a chat channel, to all rooms in which somebody listens.
--
-- ROLE: guest
-- KEYS: channels:rooms, channels:history, channels:muted, channels:last
-- ARGV: user_id, channel, message      1 to 500 characters
-- Returns OK. Errors: forbidden of who is muted, with details {until}; too_fast of who said something in the last second.

local PAUSE_MS = 1000 -- between two messages of one user
local HISTORY = 100 -- messages that a channel keeps

local channel, message = ARGV[2], ARGV[3]
if not channel or #channel > 32 or not string.find(channel, "^[a-z0-9_-]+$") then
  godra.error("bad_request", "channel must be 1 to 32 of a-z, 0-9, _ and -")
end
if not message then godra.error("bad_request", "message must be a text of 1 to 500 characters") end
-- In one line.
message = string.gsub(message, "[%z\1-\31\127]", " ")
message = require("text").message(message, 500)

local muted_until = tonumber(redis.call("HGET", KEYS[3], ARGV[1]) or 0)
if muted_until > godra.now then
  godra.error("forbidden", "You are muted", { ["until"] = muted_until })
elseif muted_until > 0 then
  redis.call("HDEL", KEYS[3], ARGV[1])
end
redis.call("ZREMRANGEBYSCORE", KEYS[4], "-inf", godra.now - PAUSE_MS)
local last = redis.call("ZSCORE", KEYS[4], ARGV[1])
if last and tonumber(last) <= godra.now then godra.error("too_fast", "One message a second") end
redis.call("ZADD", KEYS[4], godra.now, ARGV[1])

local said = {
  channel = channel,
  user_id = ARGV[1],
  username = godra.user.name,
  message = message,
  timestamp = godra.now,
}

-- All channels' messages are in one sorted set of equal scores, as channel:time:chance:JSON.
local name = channel .. ":"
local first, behind = "[" .. name, "(" .. name .. "\255"
local entry = string.format("%s%013.0f:%06x:%s", name, godra.now, math.random(0, 16777215), cjson.encode(said))
redis.call("ZADD", KEYS[2], 0, entry)
local surplus = redis.call("ZLEXCOUNT", KEYS[2], first, behind) - HISTORY
if surplus > 0 then
  local oldest = redis.call("ZRANGEBYLEX", KEYS[2], first, behind, "LIMIT", 0, surplus)
  for i = 1, #oldest do redis.call("ZREM", KEYS[2], oldest[i]) end
end

local rooms = redis.call("ZRANGEBYLEX", KEYS[1], first, behind)
for i = 1, #rooms do
  godra.tell(string.sub(rooms[i], #name + 1), "deliver_channel", said)
end
return "OK"
