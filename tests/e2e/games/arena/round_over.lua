-- The round's time is over.
--
-- ROLE: server
-- KEYS: game:{room}:arena
-- Publishes over {at, steps, scores: {<user_id>: n}}.

local text = redis.call("GET", KEYS[1])
if not text then return end
local arena, scores = cjson.decode(text), {}
for id, player in pairs(arena.players) do scores[id] = player.score end
for number in ipairs(arena.pickups) do godra.cancel("pickup:" .. number) end
redis.call("DEL", KEYS[1])
godra.publish("over", { at = godra.now, steps = arena.n, scores = scores })
