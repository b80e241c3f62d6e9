-- Forgets a guest, unless it has come back meanwhile.
-- KEYS: guests by their last sign of life, the guest's rooms; ARGV: user_id, the score of the claim
-- Returns whether it is forgotten, 1 or 0.
if redis.call("ZSCORE", KEYS[1], ARGV[1]) ~= ARGV[2] then
  return 0
end
redis.call("ZREM", KEYS[1], ARGV[1])
redis.call("DEL", KEYS[2])
return 1
