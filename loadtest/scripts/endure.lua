-- Notes that an input ran, and tells the room. An input that is to fail does so when all of that is done.
--
-- ROLE: guest
-- KEYS: game:{room}:ran, game:{room}:ran_count
-- ARGV: user_id, {"n": NUMBER, "fail": BOOLEAN, "pad"?: TEXT}
-- Publishes endured {user_id, n, pad?}. Returns OK.

local input = cjson.decode(ARGV[2])
redis.call("RPUSH", KEYS[1], ARGV[1] .. " " .. string.format("%d", input.n))
redis.call("INCR", KEYS[2])
godra.publish("endured", { user_id = ARGV[1], n = input.n, pad = input.pad })
if input.fail and input.n % 2 == 0 then godra.error("as_asked", "it was to fail") end
if input.fail then error("it was to fail") end
return "OK"
