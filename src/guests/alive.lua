-- Notes a sign of life of guests, now.
-- KEYS[1]: guests by their last sign of life
-- ARGV[2]: XX for those alone that are there already, as of others nothing is kept that would have to be cleaned up;
--   CH for all; ARGV[3..]: their ids
local pairs_of = {}
for index = 3, #ARGV do
  pairs_of[#pairs_of + 1] = godra.now
  pairs_of[#pairs_of + 1] = ARGV[index]
end
-- So that it is not refused while Redis is full: whoever plays must not be taken for gone.
redis.call("ZREM", KEYS[1], "")
redis.call("ZADD", KEYS[1], ARGV[2], unpack(pairs_of))
