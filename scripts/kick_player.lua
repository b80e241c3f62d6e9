-- Puts a member out of a lobby, and closes its socket there. Only the lobby's owner and managers may.
--
-- ROLE: guest
-- KEYS: game:{room}, game:{room}:players, game:{room}:names, game:{room}:positions, game:{room}:online, game:{room}:state
-- KEYS: game:{room}:reserved, lobbies, lobbies:info, lobbies:ends, game:{room}:away, game:{room}:places, game:{room}:bots
-- ROOM: 2
-- ARGV from a socket: the caller's user_id, {"user_id": USER}
-- ARGV from an RPC:   the caller's user_id, USER, room?
-- Publishes player_left {user_id, username, kicked = true}. Returns OK.

local IDLE_S = godra.room_ttl -- how long a lobby lasts while nobody is connected

local user_id = ARGV[2]
if user_id and string.sub(user_id, 1, 1) == "{" then
  local ok, payload = pcall(cjson.decode, user_id)
  if not ok then godra.error("bad_request", "the payload cannot be read: " .. payload) end
  user_id = payload.user_id
end
if type(user_id) ~= "string" then
  godra.error("bad_request", "Name a member: its user_id as text")
end

local lobby = redis.call("HMGET", KEYS[1], "owner", "capacity")
if not lobby[1] then
  godra.error("not_found", "Lobby does not exist")
elseif lobby[1] ~= godra.user.id and godra.user.role ~= "manager" then
  godra.error("forbidden", "Only the lobby's owner may put somebody out")
elseif user_id == godra.user.id then
  godra.error("bad_request", "Leave by leave_lobby")
elseif redis.call("SREM", KEYS[2], user_id) == 0 then
  godra.error("not_found", "Nobody of that user_id is in the lobby")
end

local name = redis.call("HGET", KEYS[3], user_id)
redis.call("HDEL", KEYS[3], user_id)
require("places").keep(user_id, KEYS[4], KEYS[12])
redis.call("HDEL", KEYS[13], user_id)
if redis.call("SREM", KEYS[5], user_id) == 1 then
  pcall(godra.tell, nil, "note_presence", { user_id = user_id, username = name or user_id, room = godra.room, online = false })
end
redis.call("HDEL", KEYS[7], user_id)
redis.call("SREM", KEYS[11], user_id)
-- When the lobby ends is as it was, unless nobody else is connected.
local expires_at = 0
if redis.call("SCARD", KEYS[5]) == 0 then
  for i = 1, 7 do redis.call("EXPIRE", KEYS[i], IDLE_S) end
  expires_at = godra.now + IDLE_S * 1000
end
redis.call("HSET", KEYS[9], godra.room, redis.call("SCARD", KEYS[2]) .. "," .. (lobby[2] or 0) .. "," .. expires_at)
if expires_at > 0 then
  redis.call("ZADD", KEYS[10], expires_at, godra.room)
else
  redis.call("ZREM", KEYS[10], godra.room)
end
-- Where calls without a room run in another store, that one's list is told.
if godra.home == false then
  pcall(godra.tell, nil, "note_lobby", { id = godra.room, info = redis.call("HGET", KEYS[9], godra.room) })
end
godra.publish("player_left", { user_id = user_id, username = name or user_id, kicked = true })
godra.remove(user_id, "put out by the lobby's owner")

return "OK"
