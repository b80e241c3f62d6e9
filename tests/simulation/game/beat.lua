-- TICK: 700
-- KEYS: game:{room}
redis.call("HINCRBY", KEYS[1], "v", 1)
godra.publish("beat", { tonumber(ARGV[1]) })
