-- Marks a guest as alive, for a game that has it wait without a socket and without other calls.
--
-- Sockets and calls are signs of life by themselves. A guest without any for --guest-ttl is cleaned up after by the server,
-- which goes by this very set: nothing else may remove it from there.
--
-- ROLE: guest
-- KEYS: active_sessions:guests
-- ARGV: user_id
-- Returns OK.

if godra.user.role == "guest" then
  redis.call("ZADD", KEYS[1], godra.now, godra.user.id)
end
return "OK"
