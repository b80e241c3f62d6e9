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

local SEAT_MS = 30000 -- how long a seat is kept for who has taken it and does not connect
local MAX_RESERVED = 1000 -- seats that are kept so at a time: nobody fills a large lobby without sockets
local MOST_AT_ONCE = 100 -- of the seats that go to others
local PLACE_MS, MAX_PLACES = 300000, 256 -- how long the places are kept of those who have gone, and of how many
local IDLE_S = godra.room_ttl -- how long a lobby lasts while nobody is connected

-- Where somebody was that goes: who comes back begins there, or leaving would be a way to be anywhere at once.
local function keep_place(id)
  local position = redis.call("HGET", KEYS[4], id)
  if not position then return end
  redis.call("HDEL", KEYS[4], id)
  if redis.call("HLEN", KEYS[11]) >= MAX_PLACES then
    redis.call("HDEL", KEYS[11], redis.call("HRANDFIELD", KEYS[11]))
  end
  redis.call("HSET", KEYS[11], id, position .. struct.pack("<d", godra.now))
  redis.call("PEXPIRE", KEYS[11], PLACE_MS)
end

-- Who has been here a while ago begins where it was.
local function take_place(id, created_at)
  local place = redis.call("HGET", KEYS[11], id)
  if not place then return end
  redis.call("HDEL", KEYS[11], id)
  local left_at = struct.unpack("<d", place, 25)
  if left_at >= created_at and left_at + PLACE_MS > godra.now then
    redis.call("HSET", KEYS[4], id, string.sub(place, 1, 24))
  end
end

-- Who took a seat and has not come for it in time gives it back. Returns how many do.
local function take_back_seats()
  local count = 0
  local reserved = redis.call("HGETALL", KEYS[7])
  for i = 1, #reserved, 2 do
    local id, taken_at = reserved[i], tonumber(reserved[i + 1])
    local is_overdue = taken_at + SEAT_MS <= godra.now or taken_at > godra.now + 1000 -- the clock was set back
    if is_overdue and count < MOST_AT_ONCE then
      redis.call("HDEL", KEYS[7], id)
      redis.call("SREM", KEYS[2], id)
      local name = redis.call("HGET", KEYS[3], id)
      redis.call("HDEL", KEYS[3], id)
      keep_place(id)
      count = count + 1
      godra.publish("player_left", { user_id = id, username = name or id })
    end
  end
  return count
end

-- A bot gives its seat to a player. Returns how many do.
local function dismiss_bot()
  local bots = redis.call("HKEYS", KEYS[12])
  if #bots == 0 then return 0 end
  table.sort(bots)
  local id = bots[#bots]
  local name = redis.call("HGET", KEYS[3], id)
  redis.call("HDEL", KEYS[12], id)
  redis.call("SREM", KEYS[2], id)
  redis.call("HDEL", KEYS[3], id)
  redis.call("HDEL", KEYS[4], id)
  godra.publish("player_left", { user_id = id, username = name or id })
  return 1
end

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
  members = members - take_back_seats()
end
if members >= capacity and status == "open" then members = members - dismiss_bot() end
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
take_place(user.id, tonumber(room[3]) or 0)

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
