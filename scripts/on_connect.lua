-- Hook: a socket wants into a room. An error keeps it out, and is what its user gets to read.
--
-- KEYS: game:{room}, game:{room}:players, game:{room}:names, game:{room}:positions, game:{room}:online, game:{room}:state
-- KEYS: game:{room}:reserved, lobbies, lobbies:info, lobbies:ends, game:{room}:away, game:{room}:places, game:{room}:bots
-- ARGV: user_id, game_id
-- Publishes player_joined {user_id, username, x?, y?} with the place of one that has been here before, and player_left
-- {user_id, username} for who has taken a seat and not come for it.

local SEAT_MS = 30000 -- how long a seat is kept for who has taken it and does not connect
local MOST_AT_ONCE = 100 -- of the seats that go to others
local PLACE_MS, MAX_PLACES = 300000, 256 -- how long the places are kept of those who have gone, and of how many

-- Where somebody was that goes: who comes back begins there, or leaving would be a way to be anywhere at once.
local function keep_place(id)
  local position = redis.call("HGET", KEYS[4], id)
  if not position then return end
  redis.call("HDEL", KEYS[4], id)
  if redis.call("HLEN", KEYS[12]) >= MAX_PLACES then
    redis.call("HDEL", KEYS[12], redis.call("HRANDFIELD", KEYS[12]))
  end
  redis.call("HSET", KEYS[12], id, position .. struct.pack("<d", godra.now))
  redis.call("PEXPIRE", KEYS[12], PLACE_MS)
end

-- Who has been here a while ago begins where it was.
local function take_place(id, created_at)
  local place = redis.call("HGET", KEYS[12], id)
  if not place then return end
  redis.call("HDEL", KEYS[12], id)
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
  local bots = redis.call("HKEYS", KEYS[13])
  if #bots == 0 then return 0 end
  table.sort(bots)
  local id = bots[#bots]
  local name = redis.call("HGET", KEYS[3], id)
  redis.call("HDEL", KEYS[13], id)
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
local room = redis.call("HMGET", KEYS[1], "capacity", "status", "created_at", "private")
local capacity, status = tonumber(room[1]) or 0, room[2]
local members = redis.call("SCARD", KEYS[2])
if redis.call("SISMEMBER", KEYS[2], user.id) == 0 then
  if members >= capacity then members = members - take_back_seats() end
  if members >= capacity and status == "open" then members = members - dismiss_bot() end
  if status ~= "open" then
    godra.error("conflict", "Lobby is closed")
  elseif members >= capacity then
    godra.error("conflict", "Lobby is full")
  end
  redis.call("SADD", KEYS[2], user.id)
  members = members + 1
  take_place(user.id, tonumber(room[3]) or 0)
end
redis.call("HSET", KEYS[3], user.id, user.name)
redis.call("SADD", KEYS[5], user.id)
redis.call("HDEL", KEYS[7], user.id)
redis.call("SREM", KEYS[11], user.id)

for i = 1, 7 do redis.call("PERSIST", KEYS[i]) end
redis.call("HSET", KEYS[9], godra.room, members .. "," .. capacity .. ",0")
redis.call("ZREM", KEYS[10], godra.room)

local joined = { user_id = user.id, username = user.name }
local position = redis.call("HGET", KEYS[4], user.id)
if position then joined.x, joined.y = struct.unpack("<dd", position) end
godra.publish("player_joined", joined)
-- Nobody is kept out because too much is told at once: presence lacks a note then.
pcall(godra.tell, nil, "note_presence", {
  user_id = user.id, username = user.name, room = godra.room, online = true, private = room[4] == "1" or nil,
})
