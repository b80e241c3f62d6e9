-- Moves the bots of a room, four times a second: each to what lies nearest in `game:{room}:pickups`, else about. The timer of `add_bots`.
--
-- ROLE: server
-- KEYS: game:{room}, game:{room}:players, game:{room}:names, game:{room}:positions, game:{room}:bots, game:{room}:online
-- KEYS: game:{room}:pickups, lobbies:info, game:{room}:reserved
-- Publishes player_moved {user_id, x, y}, and player_left {user_id, username} once nobody is connected, nor awaited.

local BEAT_MS = require("bots").BEAT_MS
local SPEED = 110 -- units a second, and never faster than players may be

local bots = redis.call("HGETALL", KEYS[5])
if #bots == 0 then return end

if redis.call("SCARD", KEYS[6]) == 0 then
  -- Those for whom quick match has made the room are about to come.
  if require("seats").are_awaited(KEYS[9]) then return require("bots").go_on() end
  for i = 1, #bots, 2 do
    local name = redis.call("HGET", KEYS[3], bots[i])
    redis.call("SREM", KEYS[2], bots[i])
    redis.call("HDEL", KEYS[3], bots[i])
    redis.call("HDEL", KEYS[4], bots[i])
    godra.publish("player_left", { user_id = bots[i], username = name or bots[i] })
  end
  redis.call("DEL", KEYS[5])
  local info = redis.call("HGET", KEYS[8], godra.room)
  local capacity, ends_at = string.match(info or "", "^%d+,(%d+),(%d+)$")
  if capacity then redis.call("HSET", KEYS[8], godra.room, redis.call("SCARD", KEYS[2]) .. "," .. capacity .. "," .. ends_at) end
  -- Where calls without a room run in another store, that one's list is told.
  if capacity and godra.home == false then
    pcall(godra.tell, nil, "note_lobby", { id = godra.room, info = redis.call("HGET", KEYS[8], godra.room) })
  end
  return
end

local room = redis.call("HMGET", KEYS[1], "width", "height", "max_speed")
local width, height, max_speed = tonumber(room[1]) or 1000, tonumber(room[2]) or 1000, tonumber(room[3]) or 0
local step = (max_speed > 0 and math.min(SPEED, max_speed) or SPEED) * BEAT_MS / 1000

-- Pickups are "x,y" by their ids.
local targets = {}
local pickups = redis.call("HGETALL", KEYS[7])
for i = 2, #pickups, 2 do
  local x, y = string.match(pickups[i], "^([%d.]+),([%d.]+)")
  if x then targets[#targets + 1] = { tonumber(x), tonumber(y) } end
end

-- What one bot goes for, the others leave to it: else they would soon be in one place, and stay together.
local function nearest(x, y)
  local best, distance
  for i, target in ipairs(targets) do
    local this = (target[1] - x) ^ 2 + (target[2] - y) ^ 2
    if not best or this < distance then best, distance = i, this end
  end
  if best then
    local target = table.remove(targets, best)
    return target[1], target[2]
  end
  return x + (math.random() - 0.5) * 400, y + (math.random() - 0.5) * 400
end

for i = 1, #bots, 2 do
  local id = bots[i]
  local position = redis.call("HGET", KEYS[4], id)
  local x, y = width / 2, height / 2
  if position then x, y = struct.unpack("<dd", position) end
  local to_x, to_y = nearest(x, y)
  local dx, dy = to_x - x, to_y - y
  local way = math.max((dx * dx + dy * dy) ^ 0.5, 0.001)
  local share = math.min(1, step / way)
  x = math.floor(math.max(0, math.min(width, x + dx * share)) * 10 + 0.5) / 10
  y = math.floor(math.max(0, math.min(height, y + dy * share)) * 10 + 0.5) / 10
  redis.call("HSET", KEYS[4], id, struct.pack("<ddd", x, y, godra.now))
  godra.publish("player_moved", { user_id = id, x = x, y = y }, { replace = "bot:" .. id })
end
require("bots").go_on()
