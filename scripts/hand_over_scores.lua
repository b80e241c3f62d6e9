-- Gives the scores of a guest to the player that it has become; `on_upgrade` tells.
--
-- ROLE: server
-- KEYS: rankings, rankings:members, rankings:boards, seasons
-- ARGV: "", {old_id, new_id, username}

local DAY_MS = 86400000
local MOST = 1e15

local change = cjson.decode(ARGV[2])
local boards = redis.call("HGET", KEYS[3], change.old_id)
if not boards then return end

local function member(ranking, known, user_id)
  local points, at = string.match(known, "^(-?%d+):(%d+):")
  return ranking .. string.format("%016.0f:%013.0f:", MOST - tonumber(points), tonumber(at)) .. user_id
end

-- What the player has already stays if it is better.
local function hand_over(ranking)
  local old = redis.call("HGET", KEYS[2], ranking .. change.old_id)
  if not old then return end
  redis.call("ZREM", KEYS[1], member(ranking, old, change.old_id))
  redis.call("HDEL", KEYS[2], ranking .. change.old_id)
  local points, at = string.match(old, "^(-?%d+):(%d+):")
  local new = redis.call("HGET", KEYS[2], ranking .. change.new_id)
  if new then
    if tonumber(string.match(new, "^(-?%d+):")) >= tonumber(points) then return end
    redis.call("ZREM", KEYS[1], member(ranking, new, change.new_id))
  end
  redis.call("ZADD", KEYS[1], 0, member(ranking, old, change.new_id))
  redis.call("HSET", KEYS[2], ranking .. change.new_id, points .. ":" .. at .. ":" .. change.username)
end

local day = math.floor(godra.now / DAY_MS)
local known = redis.call("HGET", KEYS[3], change.new_id) or ","
for board in string.gmatch(boards, "[^,]+") do
  hand_over(board .. ":all:")
  hand_over(board .. ":week" .. math.floor((day + 3) / 7) .. ":")
  hand_over(board .. ":day" .. day .. ":")
  local season = require("seasons").of(KEYS[4], board)
  if season then hand_over(board .. ":" .. season.period .. ":") end
  if not string.find(known, "," .. board .. ",", 1, true) then known = known .. board .. "," end
end
redis.call("HSET", KEYS[3], change.new_id, known)
redis.call("HDEL", KEYS[3], change.old_id)
