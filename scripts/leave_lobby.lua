-- Ends the caller's membership of a lobby, and closes its socket there. Whoever is no member stays none.
--
-- ROLE: guest
-- KEYS: game:{room}, game:{room}:players, game:{room}:names, game:{room}:positions, game:{room}:online, game:{room}:state
-- KEYS: game:{room}:reserved, lobbies, lobbies:info, lobbies:ends, game:{room}:away, game:{room}:places
-- ROOM: 1
-- ARGV: user_id, room?
-- Publishes player_left {user_id, username}. Returns OK.

local IDLE_S = godra.room_ttl -- how long a lobby lasts while nobody is connected
local LEFT_S = math.min(IDLE_S, 60) -- and how long one that all have left

if redis.call("EXISTS", KEYS[1]) == 0 then
  godra.error("not_found", "Lobby does not exist")
end

local user = godra.user
if redis.call("SREM", KEYS[2], user.id) == 0 then
  return "OK"
end
redis.call("HDEL", KEYS[3], user.id)
require("places").keep(user.id, KEYS[4], KEYS[12])
if redis.call("SREM", KEYS[5], user.id) == 1 then
  pcall(godra.tell, nil, "note_presence", { user_id = user.id, username = user.name, room = godra.room, online = false })
end
redis.call("HDEL", KEYS[7], user.id)
redis.call("SREM", KEYS[11], user.id)
godra.publish("player_left", { user_id = user.id, username = user.name })
godra.remove(user.id, "left the lobby")

local expires_at = 0
if redis.call("SCARD", KEYS[5]) == 0 then
  local lasts_s = redis.call("SCARD", KEYS[2]) == 0 and LEFT_S or IDLE_S
  for i = 1, 7 do redis.call("EXPIRE", KEYS[i], lasts_s) end
  expires_at = godra.now + lasts_s * 1000
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

return "OK"
