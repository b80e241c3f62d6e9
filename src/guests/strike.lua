-- A guest has become a player: nothing is kept of the guest any more.
-- KEYS: guests by their last sign of life, the guest's rooms; ARGV: user_id
redis.call("ZREM", KEYS[1], ARGV[1])
redis.call("DEL", KEYS[2])
