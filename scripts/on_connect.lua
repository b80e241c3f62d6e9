-- Hook: a socket wants into a room. An error keeps it out, and is what its user gets to read.
--
-- KEYS: game:{room}, game:{room}:players, game:{room}:names, game:{room}:positions, game:{room}:online, game:{room}:state
-- KEYS: game:{room}:reserved, lobbies, lobbies:info, lobbies:ends, game:{room}:away, game:{room}:places, game:{room}:bots
-- ARGV: user_id, game_id
-- Publishes player_joined {user_id, username, x?, y?} with the place of one that has been here before, and player_left
-- {user_id, username} for who has taken a seat and not come for it.


local seats = require("seats")
local SEATS = { players = KEYS[2], names = KEYS[3], positions = KEYS[4], reserved = KEYS[7], places = KEYS[12], bots = KEYS[13] }

if redis.call("EXISTS", KEYS[1]) == 0 then
  godra.error("not_found", "Lobby does not exist")
end

local user = godra.user
local room = redis.call("HMGET", KEYS[1], "capacity", "status", "created_at", "private")
local capacity, status = tonumber(room[1]) or 0, room[2]
local members = redis.call("SCARD", KEYS[2])
if redis.call("SISMEMBER", KEYS[2], user.id) == 0 then
  if members >= capacity then members = members - seats.take_back(SEATS) end
  if members >= capacity and status == "open" then members = members - seats.dismiss_bot(SEATS) end
  if status ~= "open" then
    godra.error("conflict", "Lobby is closed")
  elseif members >= capacity then
    godra.error("conflict", "Lobby is full")
  end
  redis.call("SADD", KEYS[2], user.id)
  members = members + 1
  require("places").take(user.id, tonumber(room[3]) or 0, KEYS[4], KEYS[12])
end
redis.call("HSET", KEYS[3], user.id, user.name)
redis.call("SADD", KEYS[5], user.id)
redis.call("HDEL", KEYS[7], user.id)
redis.call("SREM", KEYS[11], user.id)

for i = 1, 7 do redis.call("PERSIST", KEYS[i]) end
redis.call("HSET", KEYS[9], godra.room, members .. "," .. capacity .. ",0")
redis.call("ZREM", KEYS[10], godra.room)
-- Where calls without a room run in another store, that one's list is told.
if godra.home == false then
  pcall(godra.tell, nil, "note_lobby", { id = godra.room, info = redis.call("HGET", KEYS[9], godra.room) })
end

local joined = { user_id = user.id, username = user.name }
local position = redis.call("HGET", KEYS[4], user.id)
if position then joined.x, joined.y = struct.unpack("<dd", position) end
godra.publish("player_joined", joined)
-- Nobody is kept out because too much is told at once: presence lacks a note then.
pcall(godra.tell, nil, "note_presence", {
  user_id = user.id, username = user.name, room = godra.room, online = true, private = room[4] == "1" or nil,
})
