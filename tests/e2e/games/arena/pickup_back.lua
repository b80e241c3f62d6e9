-- A pickup is there again.
--
-- ROLE: server
-- KEYS: game:{room}:arena
-- Payload: {pickup}. Publishes back {pickup, at}.

local text = redis.call("GET", KEYS[1])
if not text then return end
local arena = cjson.decode(text)
arena.pickups[godra.payload.pickup].there = true
redis.call("SET", KEYS[1], cjson.encode(arena), "KEEPTTL")
godra.publish("back", { pickup = godra.payload.pickup, at = godra.now })
