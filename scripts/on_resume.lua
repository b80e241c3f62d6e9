-- Hook: a member whose seat was kept is back with a new socket. An error keeps it out, and is what its user gets to read.
--
-- KEYS: game:{room}, game:{room}:players, game:{room}:names, game:{room}:away
-- ARGV: user_id, game_id
-- Publishes player_back {user_id, username}, if player_away was.

local user = godra.user
if redis.call("SISMEMBER", KEYS[2], user.id) == 0 then
  godra.error("conflict", "You are not in this lobby any more")
end
redis.call("HSET", KEYS[3], user.id, user.name)
if redis.call("SREM", KEYS[4], user.id) == 1 then
  godra.publish("player_back", { user_id = user.id, username = user.name })
end
