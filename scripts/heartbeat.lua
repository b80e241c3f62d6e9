-- Marks a guest as alive, for those who play by RPC alone: a socket is alive by itself.
--
-- ROLE: guest
-- KEYS: active_sessions:guests
-- ARGV: user_id
-- Returns OK.

local FORGOTTEN_MS = 24 * 3600 * 1000

if godra.user.role == "guest" then
  redis.call("ZADD", KEYS[1], godra.now, godra.user.id)
  redis.call("ZREMRANGEBYSCORE", KEYS[1], "-inf", godra.now - FORGOTTEN_MS)
end
return "OK"
