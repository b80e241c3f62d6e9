-- Makes the caller a member of a lobby. Whoever is one already stays one. The seat is kept for half a minute until a socket follows;
-- after that it goes to the next who wants it, if there is no other.
--
-- The others hear of it (player_joined) when the member connects: see on_connect.lua.
--
-- ROLE: guest
-- KEYS: game:{room}, game:{room}:players, game:{room}:names, game:{room}:positions, game:{room}:online, game:{room}:state
-- KEYS: game:{room}:reserved, lobbies, lobbies:info, lobbies:ends
-- ROOM: 1
-- ARGV: user_id, room?
-- Publishes player_left {user_id, username} for who gives a seat back. Returns OK.

local SEAT_MS = 30000 -- how long a seat is kept for who has taken it and does not connect
local IDLE_S = godra.room_ttl -- how long a lobby lasts while nobody is connected

if redis.call("EXISTS", KEYS[1]) == 0 then
  godra.error("not_found", "Lobby does not exist")
end

local user = godra.user
if redis.call("SISMEMBER", KEYS[2], user.id) == 1 then
  if redis.call("HEXISTS", KEYS[7], user.id) == 1 then redis.call("HSET", KEYS[7], user.id, godra.now) end
  return "OK"
end

local room = redis.call("HMGET", KEYS[1], "capacity", "status")
local capacity, status = tonumber(room[1]) or 0, room[2]
local members = redis.call("SCARD", KEYS[2])
if members >= capacity then
  -- Who took a seat and has not come for it in time gives it back.
  local taken = redis.call("HGETALL", KEYS[7])
  for i = 1, #taken, 2 do
    local id = taken[i]
    if tonumber(taken[i + 1]) + SEAT_MS <= godra.now then
      redis.call("HDEL", KEYS[7], id)
      redis.call("SREM", KEYS[2], id)
      local name = redis.call("HGET", KEYS[3], id)
      redis.call("HDEL", KEYS[3], id)
      redis.call("HDEL", KEYS[4], id)
      members = members - 1
      godra.publish("player_left", { user_id = id, username = name or id })
    end
  end
end
if status ~= "open" then
  godra.error("conflict", "Lobby is closed")
elseif members >= capacity then
  godra.error("conflict", "Lobby is full")
end

redis.call("SADD", KEYS[2], user.id)
redis.call("HSET", KEYS[3], user.id, user.name)
redis.call("HSET", KEYS[7], user.id, godra.now)

-- Membership alone does not keep a lobby, or those who never come would keep it for ever: somebody must connect.
local expires_at = 0
if redis.call("SCARD", KEYS[5]) == 0 then
  for i = 1, 7 do redis.call("EXPIRE", KEYS[i], IDLE_S) end
  expires_at = godra.now + IDLE_S * 1000
end
redis.call("HSET", KEYS[9], godra.room, members + 1 .. "," .. capacity .. "," .. expires_at)
if expires_at > 0 then
  redis.call("ZADD", KEYS[10], expires_at, godra.room)
else
  redis.call("ZREM", KEYS[10], godra.room)
end

return "OK"
