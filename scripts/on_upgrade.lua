-- Hook: a guest has become a player with an account. What it has in the room goes over to the new id.
--
-- It runs for each room that the guest has called in, been in with a socket or named. It may not be there any more, or never
-- have been: then nothing happens.
--
-- KEYS: game:{room}, game:{room}:players, game:{room}:names, game:{room}:positions, game:{room}:reserved
-- KEYS: game:{room}:scores
-- ARGV: old_id, new_id, username
-- Publishes player_left {user_id, username} for the old id and player_upgraded {old_id, user_id, username}.

local old, new, username = ARGV[1], ARGV[2], ARGV[3]

pcall(godra.tell, nil, "hand_over_scores", { old_id = old, new_id = new, username = username })
local score = redis.call("HGET", KEYS[6], old)
if score then
  redis.call("HDEL", KEYS[6], old)
  redis.call("HSET", KEYS[6], new, score)
end

if redis.call("SREM", KEYS[2], old) == 0 then
  return
end
redis.call("SADD", KEYS[2], new)
redis.call("HDEL", KEYS[3], old)
redis.call("HSET", KEYS[3], new, username)
local taken_at = redis.call("HGET", KEYS[5], old)
if taken_at then
  redis.call("HDEL", KEYS[5], old)
  redis.call("HSET", KEYS[5], new, taken_at)
end
local position = redis.call("HGET", KEYS[4], old)
if position then
  redis.call("HDEL", KEYS[4], old)
  redis.call("HSET", KEYS[4], new, position)
end
if redis.call("HGET", KEYS[1], "owner") == old then
  redis.call("HSET", KEYS[1], "owner", new)
end

godra.publish("player_left", { user_id = old, username = godra.user.name })
godra.publish("player_upgraded", { old_id = old, user_id = new, username = username })
