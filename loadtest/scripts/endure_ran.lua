-- Tells which inputs have run in a room, in order.
--
-- ROLE: guest
-- KEYS: game:{room}, game:{room}:ran, game:{room}:ran_count
-- ARGV: user_id, first, last
-- Returns a list of texts, "<user_id> <n>".

local length, count = redis.call("LLEN", KEYS[2]), tonumber(redis.call("GET", KEYS[3]) or 0)
if length ~= count then
  godra.error("torn", length .. " inputs are noted, and " .. count .. " are counted")
end
return redis.call("LRANGE", KEYS[2], ARGV[2], ARGV[3])
