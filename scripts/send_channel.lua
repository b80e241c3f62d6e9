-- Says something in a chat channel, to all rooms in which somebody listens.
--
-- ROLE: guest
-- KEYS: channels:rooms, channels:history, channels:muted, channels:last, channels:busy, channels:used
-- ARGV: user_id, channel, message      1 to 500 characters
-- Returns OK. Errors: forbidden of who is muted, with details {until}; too_fast of who said something in the last second;
-- rate_limited of a channel in which so much is said that the store would have no time for games, with details {retry_after_ms}.
--
-- A message is delivered once for each room that listens, so a channel of 50 rooms has 40 messages a second, one of 500 rooms four,
-- and twice as many seconds' worth at once. All channels together keep 20,000 messages: beyond that, those go of the channel in which
-- nothing was said for longest, as anybody may speak in channels of ever new names.

local PAUSE_MS = 1000 -- between two messages of one user
local HISTORY = 100 -- messages that a channel keeps
local ALL_HISTORY = 20000 -- messages that all channels keep
local CHANNEL_PER_S = 2000 -- deliveries of a channel
local ALL_PER_S = 6000 -- deliveries of all channels
local BURST_MS = 2000 -- a channel may be so far ahead of these
local LONGEST_MS = 1000 -- more than a message takes: who is further ahead than both has had its clock set back

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

local name = channel .. ":"
local first, behind = "[" .. name, "(" .. name .. "\255"
local rooms = redis.call("ZRANGEBYLEX", KEYS[1], first, behind)

-- Up to when a channel has used its deliveries, in KEYS[5]; all together, under no name. Who has used none lately is not there.
redis.call("ZREMRANGEBYSCORE", KEYS[5], "-inf", godra.now)
local function used_until(who)
  local ahead_ms = tonumber(redis.call("ZSCORE", KEYS[5], who) or 0) - godra.now
  if ahead_ms < 0 or ahead_ms > BURST_MS + LONGEST_MS then ahead_ms = 0 end
  if ahead_ms > BURST_MS and #rooms > 0 then
    local retry_after_ms = math.ceil(ahead_ms - BURST_MS)
    godra.error("rate_limited", "Too much is said at once: try again soon", { retry_after_ms = retry_after_ms })
  end
  return godra.now + ahead_ms
end
local channel_used, all_used = used_until(channel), used_until("")
if #rooms > 0 then
  local function use(who, before, per_s)
    redis.call("ZADD", KEYS[5], string.format("%.3f", before + #rooms * 1000 / per_s), who)
  end
  use(channel, channel_used, CHANNEL_PER_S)
  use("", all_used, ALL_PER_S)
end
redis.call("ZADD", KEYS[4], godra.now, ARGV[1])

local said = {
  channel = channel,
  user_id = ARGV[1],
  username = godra.user.name,
  message = message,
  timestamp = godra.now,
}

-- All channels' messages are in one sorted set of equal scores, as channel:time:chance:JSON.
local entry = string.format("%s%013.0f:%06x:%s", name, godra.now, math.random(0, 16777215), cjson.encode(said))
redis.call("ZADD", KEYS[2], 0, entry)
local surplus = redis.call("ZLEXCOUNT", KEYS[2], first, behind) - HISTORY
if surplus > 0 then
  local oldest = redis.call("ZRANGEBYLEX", KEYS[2], first, behind, "LIMIT", 0, surplus)
  for i = 1, #oldest do redis.call("ZREM", KEYS[2], oldest[i]) end
end
redis.call("ZADD", KEYS[6], godra.now, channel)
while redis.call("ZCARD", KEYS[2]) > ALL_HISTORY do
  local quietest = redis.call("ZRANGE", KEYS[6], 0, 0)[1]
  if not quietest or quietest == channel then break end
  redis.call("ZREMRANGEBYLEX", KEYS[2], "[" .. quietest .. ":", "(" .. quietest .. ":\255")
  redis.call("ZREM", KEYS[6], quietest)
end

for i = 1, #rooms do
  godra.tell(string.sub(rooms[i], #name + 1), "deliver_channel", said)
end
return "OK"
