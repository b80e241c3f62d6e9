-- Makes the caller a member of a lobby. Whoever is one already stays one.
--
-- The others hear of it (player_joined) when the member connects: see on_connect.lua.
--
-- ROLE: guest
-- KEYS: game:{room}, game:{room}:players, game:{room}:names, game:{room}:positions, game:{room}:online, game:{room}:state
-- KEYS: lobbies, lobbies:info
-- ROOM: 1
-- ARGV: user_id, room?
-- Returns OK.

local IDLE_S = godra.room_ttl -- how long a lobby lasts while nobody is connected

if redis.call("EXISTS", KEYS[1]) == 0 then
  godra.error("not_found", "Lobby does not exist")
end

local user = godra.user
if redis.call("SISMEMBER", KEYS[2], user.id) == 1 then
  return "OK"
end

local room = redis.call("HMGET", KEYS[1], "capacity", "status")
local capacity, status = tonumber(room[1]) or 0, room[2]
local members = redis.call("SCARD", KEYS[2])
if status ~= "open" then
  godra.error("conflict", "Lobby is closed")
elseif members >= capacity then
  godra.error("conflict", "Lobby is full")
end

redis.call("SADD", KEYS[2], user.id)
redis.call("HSET", KEYS[3], user.id, user.name)

-- Membership alone does not keep a lobby, or those who never come would keep it for ever: somebody must connect.
local expires_at = 0
if redis.call("SCARD", KEYS[5]) == 0 then
  for i = 1, 6 do redis.call("EXPIRE", KEYS[i], IDLE_S) end
  expires_at = godra.now + IDLE_S * 1000
end
redis.call("HSET", KEYS[8], godra.room, members + 1 .. "," .. capacity .. "," .. expires_at)

return "OK"
