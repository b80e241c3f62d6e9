-- The host ends the show: everybody hears the ranking.
--
-- ROLE: guest
-- KEYS: game:{room}, game:{room}:quiz, game:{room}:points
-- ARGV: user_id
-- Publishes ranking: [{user_id, points}], the best first. Returns OK.

if redis.call("HGET", KEYS[1], "owner") ~= godra.user.id or not godra.is_member() then
  godra.error("forbidden", "Only the host ends the show")
end
if redis.call("HGET", KEYS[2], "ends") then godra.error("conflict", "The last question's time is not over") end

local ranking, flat = godra.array(), redis.call("ZREVRANGE", KEYS[3], 0, -1, "WITHSCORES")
for i = 1, #flat, 2 do ranking[#ranking + 1] = { user_id = flat[i], points = tonumber(flat[i + 1]) } end
redis.call("DEL", KEYS[2], KEYS[3])
godra.publish("ranking", ranking)
return "OK"
