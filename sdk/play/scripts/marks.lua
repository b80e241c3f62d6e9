-- Tells which marks a room has, in the order in which they were made.
--
-- ROLE: guest
-- KEYS: game:{room}, game:{room}:marks, game:{room}:marks_count
-- ARGV: user_id
-- Returns a list of texts.

local marks, count = redis.call("LRANGE", KEYS[2], 0, -1), tonumber(redis.call("GET", KEYS[3]) or 0)
if #marks ~= count then
  godra.error("torn", #marks .. " marks are noted, and " .. count .. " are counted")
end
return marks
