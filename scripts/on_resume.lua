-- Hook: a member whose seat was kept is back with a new socket. An error keeps it out, and is what its user gets to read.
--
-- KEYS: game:{room}, game:{room}:players, game:{room}:names, game:{room}:positions, game:{room}:online, game:{room}:state
-- KEYS: game:{room}:reserved, lobbies:info, lobbies:ends, game:{room}:away
-- ARGV: user_id, game_id
-- Publishes player_back {user_id, username}, if player_away was.

local user = godra.user
if redis.call("SISMEMBER", KEYS[2], user.id) == 0 then
  godra.error("conflict", "You are not in this lobby any more")
end
redis.call("HSET", KEYS[3], user.id, user.name)
if redis.call("SADD", KEYS[5], user.id) == 1 then
  -- It has left and joined again by RPC meanwhile. A lobby lasts while somebody is connected.
  redis.call("HDEL", KEYS[7], user.id)
  for i = 1, 7 do redis.call("PERSIST", KEYS[i]) end
  local members, capacity = redis.call("SCARD", KEYS[2]), redis.call("HGET", KEYS[1], "capacity")
  redis.call("HSET", KEYS[8], godra.room, members .. "," .. (capacity or 0) .. ",0")
  redis.call("ZREM", KEYS[9], godra.room)
  -- Where calls without a room run in another store, that one's list is told.
  if godra.home == false then
    pcall(godra.tell, nil, "note_lobby", { id = godra.room, info = redis.call("HGET", KEYS[8], godra.room) })
  end
end
if redis.call("SREM", KEYS[10], user.id) == 1 then
  godra.publish("player_back", { user_id = user.id, username = user.name })
end
