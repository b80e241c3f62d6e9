-- Keeps a user from saying anything in channels for a while, or lets it again.
--
-- ROLE: manager
-- KEYS: channels:muted
-- ARGV: user_id, muted's user_id, minutes      0 to 525600; 0 lifts it
-- Returns OK.

local id, minutes = ARGV[2], tonumber(ARGV[3] or "")
if not id or id == "" or #id > 64 then
  godra.error("bad_request", "the first argument must be a user_id")
elseif not minutes or not (minutes >= 0 and minutes <= 525600) or minutes % 1 ~= 0 then
  godra.error("bad_request", "minutes must be a whole number from 0 to 525600")
end
if minutes == 0 then
  redis.call("HDEL", KEYS[1], id)
else
  redis.call("HSET", KEYS[1], id, godra.now + minutes * 60000)
end
return "OK"
