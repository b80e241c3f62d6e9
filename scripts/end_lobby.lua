-- Ends a lobby in which nobody is, so that its owner may make another; `create_lobby` tells, and has taken it out of the index. Should
-- somebody have come meanwhile, it goes on, and counts again.
--
-- ROLE: server
-- KEYS: game:{room}, game:{room}:players, game:{room}:names, game:{room}:positions, game:{room}:online, game:{room}:state
-- KEYS: game:{room}:reserved, lobbies, lobbies:labels, lobbies:owners, lobbies:owned, lobbies:by_owner, game:{room}:away
-- KEYS: game:{room}:places, game:{room}:bots

local SEAT_MS = 30000 -- how long a seat is kept for who has taken it and does not connect

local function is_wanted()
  if redis.call("SCARD", KEYS[5]) > 0 then return true end
  local seats = redis.call("HVALS", KEYS[7])
  for i = 1, #seats do
    if tonumber(seats[i]) + SEAT_MS > godra.now then return true end
  end
  return false
end

local lobby = redis.call("HMGET", KEYS[1], "owner", "created_at", "private", "labels")
local owner = lobby[1]
if not owner or redis.call("HEXISTS", KEYS[10], godra.room) == 1 then
  return -- it has ended by itself, or another of this id has begun since
elseif not is_wanted() then
  for i = 1, 7 do redis.call("DEL", KEYS[i]) end
  for i = 13, 15 do redis.call("DEL", KEYS[i]) end
  -- Where calls without a room run in another store, that one's list is told.
  if godra.home == false then pcall(godra.tell, nil, "note_lobby", { id = godra.room }) end
  return
end

if not lobby[3] then redis.call("ZADD", KEYS[8], lobby[2], godra.room) end
if lobby[4] then redis.call("HSET", KEYS[9], godra.room, lobby[4]) end
redis.call("HSET", KEYS[10], godra.room, owner)
redis.call("HINCRBY", KEYS[11], owner, 1)
redis.call("ZADD", KEYS[12], 0, owner .. "\n" .. godra.room)
