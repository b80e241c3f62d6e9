-- Hook: a socket wants into a room. An error keeps it out, and is what its user gets to read.
--
-- KEYS: game:{room}, game:{room}:players, game:{room}:names, game:{room}:positions, game:{room}:online, game:{room}:state
-- KEYS: game:{room}:reserved, lobbies, lobbies:info, lobbies:ends, game:{room}:away
-- ARGV: user_id, game_id
-- Publishes player_joined {user_id, username}, and player_left {user_id, username} for who has taken a seat and not come for it.

if redis.call("EXISTS", KEYS[1]) == 0 then
  godra.error("not_found", "Lobby does not exist")
end

local SEAT_MS = 30000 -- how long a seat is kept for who has taken it and does not connect

local user = godra.user
local room = redis.call("HMGET", KEYS[1], "capacity", "status")
local capacity, status = tonumber(room[1]) or 0, room[2]
local members = redis.call("SCARD", KEYS[2])
if redis.call("SISMEMBER", KEYS[2], user.id) == 0 then
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
  members = members + 1
end
redis.call("HSET", KEYS[3], user.id, user.name)
redis.call("SADD", KEYS[5], user.id)
redis.call("HDEL", KEYS[7], user.id)
redis.call("SREM", KEYS[11], user.id)

for i = 1, 7 do redis.call("PERSIST", KEYS[i]) end
redis.call("HSET", KEYS[9], godra.room, members .. "," .. capacity .. ",0")
redis.call("ZREM", KEYS[10], godra.room)

godra.publish("player_joined", { user_id = user.id, username = user.name })
