-- Hook: a socket wants into a room. An error keeps it out, and is what its user gets to read.
--
-- KEYS: game:{room}, game:{room}:players, game:{room}:names, game:{room}:positions, game:{room}:online, game:{room}:state
-- KEYS: lobbies, lobbies:info, game:{room}:away
-- ARGV: user_id, game_id
-- Publishes player_joined {user_id, username}.

if redis.call("EXISTS", KEYS[1]) == 0 then
  godra.error("not_found", "Lobby does not exist")
end

local user = godra.user
local room = redis.call("HMGET", KEYS[1], "capacity", "status")
local capacity, status = tonumber(room[1]) or 0, room[2]
local members = redis.call("SCARD", KEYS[2])
if redis.call("SISMEMBER", KEYS[2], user.id) == 0 then
  if status ~= "open" then
    godra.error("conflict", "Lobby is closed")
  elseif members >= capacity then
    godra.error("conflict", "Lobby is full")
  end
  redis.call("SADD", KEYS[2], user.id)
  members = members + 1
end
redis.call("HSET", KEYS[3], user.id, user.name)
redis.call("SADD", KEYS[5], user.id)
redis.call("SREM", KEYS[9], user.id)

for i = 1, 6 do redis.call("PERSIST", KEYS[i]) end
redis.call("HSET", KEYS[8], godra.room, members .. "," .. capacity .. ",0")

godra.publish("player_joined", { user_id = user.id, username = user.name })
