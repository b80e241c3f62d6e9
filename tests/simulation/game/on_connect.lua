-- KEYS: game:{room}, game:{room}:players
local v = redis.call("HINCRBY", KEYS[1], "v", 1)
godra.publish("came", { ARGV[1] }, { except = ARGV[1] })
godra.send(ARGV[1], "hello", { ARGV[1], v })
if redis.call("HGET", KEYS[1], "barred") == ARGV[1] then godra.error("barred", "you are barred") end
