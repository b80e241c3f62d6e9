-- Hook: a member is gone, and its seat is free again: it has closed its socket, or lost it and not come back in time. The room stays for a while, so that people can come back.
--
-- KEYS: game:{room}, game:{room}:players, game:{room}:names, game:{room}:positions, game:{room}:online, game:{room}:state
-- KEYS: game:{room}:reserved, lobbies, lobbies:info, lobbies:ends, game:{room}:away, game:{room}:places
-- ARGV: user_id, game_id, "absent" of a user who had no socket here
-- Publishes player_left {user_id, username}, unless the user has left by leave_lobby before.

local IDLE_S = godra.room_ttl -- how long a lobby lasts while nobody is connected

if redis.call("EXISTS", KEYS[1]) == 0 then
  return
end

local user = godra.user
local was_online = redis.call("SREM", KEYS[5], user.id) == 1
if not was_online and ARGV[3] ~= "absent" and redis.call("HEXISTS", KEYS[7], user.id) == 1 then
  return -- it has left before, and has taken a seat anew since
end
if was_online then
  pcall(godra.tell, nil, "note_presence", { user_id = user.id, username = user.name, room = godra.room, online = false })
end
redis.call("HDEL", KEYS[7], user.id)
redis.call("SREM", KEYS[11], user.id)
if redis.call("SREM", KEYS[2], user.id) == 1 then
  redis.call("HDEL", KEYS[3], user.id)
  require("places").keep(user.id, KEYS[4], KEYS[12])
  godra.publish("player_left", { user_id = user.id, username = user.name })
end

local expires_at = 0
if redis.call("SCARD", KEYS[5]) == 0 then
  for i = 1, 7 do redis.call("EXPIRE", KEYS[i], IDLE_S) end
  expires_at = godra.now + IDLE_S * 1000
end
local members, capacity = redis.call("SCARD", KEYS[2]), redis.call("HGET", KEYS[1], "capacity")
redis.call("HSET", KEYS[9], godra.room, members .. "," .. (capacity or 0) .. "," .. expires_at)
if expires_at > 0 then
  redis.call("ZADD", KEYS[10], expires_at, godra.room)
else
  redis.call("ZREM", KEYS[10], godra.room)
end
-- Where calls without a room run in another store, that one's list is told.
if godra.home == false then
  pcall(godra.tell, nil, "note_lobby", { id = godra.room, info = redis.call("HGET", KEYS[9], godra.room) })
end
