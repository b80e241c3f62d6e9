-- Makes the caller a member of a lobby. Whoever is one already stays one. The seat is kept for half a minute until a socket follows;
-- after that it goes to the next who wants it, if there is no other.
--
-- The others hear of it (player_joined) when the member connects: see on_connect.lua.
--
-- ROLE: guest
-- KEYS: game:{room}, game:{room}:players, game:{room}:names, game:{room}:positions, game:{room}:online, game:{room}:state
-- KEYS: game:{room}:reserved, lobbies, lobbies:info, lobbies:ends, game:{room}:places, game:{room}:bots
-- ROOM: 1
-- ARGV: user_id, room?
-- Publishes player_left {user_id, username} for who gives a seat back. Returns OK.

local MAX_RESERVED = 1000 -- seats that are kept so at a time: nobody fills a large lobby without sockets
local IDLE_S = godra.room_ttl -- how long a lobby lasts while nobody is connected

local seats = require("seats")
local SEATS = { players = KEYS[2], names = KEYS[3], positions = KEYS[4], reserved = KEYS[7], places = KEYS[11], bots = KEYS[12] }

if redis.call("EXISTS", KEYS[1]) == 0 then
  godra.error("not_found", "Lobby does not exist")
end

local user = godra.user
if redis.call("SISMEMBER", KEYS[2], user.id) == 1 then
  if redis.call("HEXISTS", KEYS[7], user.id) == 1 then redis.call("HSET", KEYS[7], user.id, godra.now) end
  return "OK"
end

local room = redis.call("HMGET", KEYS[1], "capacity", "status", "created_at")
local capacity, status = tonumber(room[1]) or 0, room[2]
local members = redis.call("SCARD", KEYS[2])
if members >= capacity or redis.call("HLEN", KEYS[7]) >= MAX_RESERVED then
  members = members - seats.take_back(SEATS)
end
if members >= capacity and status == "open" then members = members - seats.dismiss_bot(SEATS) end
if status ~= "open" then
  godra.error("conflict", "Lobby is closed")
elseif members >= capacity then
  godra.error("conflict", "Lobby is full")
elseif redis.call("HLEN", KEYS[7]) >= MAX_RESERVED then
  godra.error("conflict", "Too many seats of this lobby wait for players who have not connected")
end

redis.call("SADD", KEYS[2], user.id)
redis.call("HSET", KEYS[3], user.id, user.name)
redis.call("HSET", KEYS[7], user.id, godra.now)
require("places").take(user.id, tonumber(room[3]) or 0, KEYS[4], KEYS[11])

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
-- Where calls without a room run in another store, that one's list is told.
if godra.home == false then
  pcall(godra.tell, nil, "note_lobby", { id = godra.room, info = redis.call("HGET", KEYS[9], godra.room) })
end

return "OK"
