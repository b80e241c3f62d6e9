-- The latest messages of a chat channel, oldest first.
--
-- ROLE: guest
-- KEYS: channels:history
-- ARGV: user_id, channel, limit?      1 to 100; 50 without it
-- Returns JSON text: {messages: [{channel, user_id, username, message, timestamp}, …]}

local LIMIT, MAX_LIMIT = 50, 100

local channel = ARGV[2]
if not channel or #channel > 32 or not string.find(channel, "^[a-z0-9_-]+$") then
  godra.error("bad_request", "channel must be 1 to 32 of a-z, 0-9, _ and -")
end
local limit = tonumber(ARGV[3] or LIMIT)
if not limit or not (limit >= 1 and limit <= MAX_LIMIT) or limit % 1 ~= 0 then
  godra.error("bad_request", "limit must be a whole number from 1 to " .. MAX_LIMIT)
end

local name = channel .. ":"
local latest = redis.call("ZREVRANGEBYLEX", KEYS[1], "(" .. name .. "\255", "[" .. name, "LIMIT", 0, limit)
local messages = {}
for i = #latest, 1, -1 do messages[#messages + 1] = string.sub(latest[i], #name + 22) end
return '{"messages":[' .. table.concat(messages, ",") .. "]}"
