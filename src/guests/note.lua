-- A guest has called in a room, and may have a seat in it that no socket gives back.
-- KEYS: guests by their last sign of life, the guest's rooms; ARGV: user_id, room, username
redis.call("HSET", KEYS[2], "", ARGV[3], ARGV[2], "called")
redis.call("ZADD", KEYS[1], godra.now, ARGV[1])
