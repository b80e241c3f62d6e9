-- KEYS: game:{room}, game:{room}:players
redis.call("HINCRBY", KEYS[1], "v", 1)
godra.publish("went", { ARGV[1] })
