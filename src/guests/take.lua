-- Takes a guest that is gone out of a room's book: what follows in the same batch is done once, by whoever got here first.
-- KEYS: guests by their last sign of life, the guest's rooms; ARGV: user_id, room, the score of the claim
if redis.call("ZSCORE", KEYS[1], ARGV[1]) ~= ARGV[3] then
  godra.error("conflict", "the guest is back, or somebody else's to clean up")
end
if redis.call("HGET", KEYS[2], ARGV[2]) ~= "called" then
  godra.error("conflict", "the guest has left the room")
end
redis.call("HDEL", KEYS[2], ARGV[2])
