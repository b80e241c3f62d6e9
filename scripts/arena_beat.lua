-- The arena's game moves on, five times a second: gems appear, who touches one scores, and a round ends by the clock with a podium.
-- A timer that sets itself anew while somebody is connected; play_arena.lua begins it.
--
-- ROLE: server
-- KEYS: game:{room}, game:{room}:arena, game:{room}:pickups, game:{room}:scores, game:{room}:positions, game:{room}:names
-- KEYS: game:{room}:online, game:{room}:state
-- Publishes
--   round_started {round, ends_at}, round_ended {round, next_at, podium: [{user_id, username, score, place}, …] (up to 10; who have as
--     much share the place)}
--   gem {id, x, y, worth}, gem_taken {id, user_id, worth, score}
-- The room's state has `arena` {phase: "playing" | "podium", round, ends_at, podium}, `gems` {<id>: {x, y, worth}} and `scores`
-- {<user_id>: n}, so that who comes in or back sees it all.

local BEAT_MS = 200
local ROUND_MS, PODIUM_MS = 90000, 12000
local GEMS, GEMS_A_BEAT, MARGIN = 14, 2, 30
local RUSH_MS = 15000 -- at a round's end, with twice the gems
local REACH = 34 -- from a player's middle to a gem's
local BOARD = "arena"

local online = redis.call("SMEMBERS", KEYS[7])
if #online == 0 then
  -- Nobody is there: the game ends. Who comes back begins a new one.
  redis.call("DEL", KEYS[2], KEYS[3], KEYS[4])
  redis.call("HDEL", KEYS[8], "arena", "gems", "scores")
  return
end

local arena = redis.call("HMGET", KEYS[2], "phase", "round", "ends_at", "gem")
local phase, round, ends_at, gem = arena[1], tonumber(arena[2]) or 0, tonumber(arena[3]) or 0, tonumber(arena[4]) or 0
if not phase then return end

local function hash(key)
  local flat, fields = redis.call("HGETALL", key), {}
  for i = 1, #flat, 2 do fields[flat[i]] = flat[i + 1] end
  return fields
end

local function show(podium)
  local about = { phase = phase, round = round, ends_at = ends_at, podium = podium }
  redis.call("HSET", KEYS[8], "arena", cjson.encode(about))
end

-- The state's copy of what there is to see; objects even when they are empty.
local function show_all(gems, scores)
  local list = {}
  for id, text in pairs(gems) do
    local x, y, worth = string.match(text, "^([%d.]+),([%d.]+),(%d+)$")
    list[id] = { x = tonumber(x), y = tonumber(y), worth = tonumber(worth) }
  end
  local points = {}
  for id, score in pairs(scores) do points[id] = tonumber(score) end
  redis.call("HSET", KEYS[8], "gems", cjson.encode(list), "scores", cjson.encode(points))
end

local function start_round()
  phase, round, ends_at = "playing", round + 1, godra.now + ROUND_MS
  redis.call("DEL", KEYS[3], KEYS[4])
  redis.call("HSET", KEYS[2], "phase", phase, "round", round, "ends_at", ends_at)
  show()
  show_all({}, {})
  godra.publish("round_started", { round = round, ends_at = ends_at })
end

local function end_round()
  local names, standing = hash(KEYS[6]), {}
  for id, score in pairs(hash(KEYS[4])) do
    standing[#standing + 1] = { user_id = id, username = names[id] or id, score = tonumber(score) }
  end
  table.sort(standing, function(a, b)
    if a.score ~= b.score then return a.score > b.score end
    return a.user_id < b.user_id
  end)
  for i, player in ipairs(standing) do
    if string.sub(player.user_id, 1, 4) ~= "bot:" and i <= 200 then
      godra.tell(nil, "add_score", { board = BOARD, user_id = player.user_id, username = player.username, score = player.score })
    end
  end
  local podium = {}
  for i = 1, math.min(10, #standing) do
    local before = podium[i - 1]
    podium[i] = standing[i]
    podium[i].place = before and before.score == podium[i].score and before.place or i
  end
  phase, ends_at = "podium", godra.now + PODIUM_MS
  redis.call("HSET", KEYS[2], "phase", phase, "ends_at", ends_at)
  redis.call("DEL", KEYS[3])
  show(podium)
  show_all({}, hash(KEYS[4]))
  -- An empty list would be written as an object.
  local event = { round = round, next_at = ends_at, podium = #podium > 0 and podium or nil }
  godra.publish("round_ended", event)
end

local room = redis.call("HMGET", KEYS[1], "width", "height")
local width, height = tonumber(room[1]) or 1000, tonumber(room[2]) or 1000

-- Who touches a gem has it. Of several, who is nearest.
local function take_gems(gems)
  local has_changed = false
  local players = {}
  for id, position in pairs(hash(KEYS[5])) do
    local x, y = struct.unpack("<dd", position)
    players[#players + 1] = { id = id, x = x, y = y }
  end
  table.sort(players, function(a, b) return a.id < b.id end)
  local ids = {}
  for id in pairs(gems) do ids[#ids + 1] = id end
  table.sort(ids)
  for _, id in ipairs(ids) do
    local x, y, worth = string.match(gems[id], "^([%d.]+),([%d.]+),(%d+)$")
    x, y, worth = tonumber(x), tonumber(y), tonumber(worth)
    local taker, nearest = nil, REACH * REACH
    for _, player in ipairs(players) do
      local distance = (player.x - x) ^ 2 + (player.y - y) ^ 2
      if distance < nearest then taker, nearest = player.id, distance end
    end
    if taker then
      local score = redis.call("HINCRBY", KEYS[4], taker, worth)
      redis.call("HDEL", KEYS[3], id)
      gems[id] = nil
      has_changed = true
      godra.publish("gem_taken", { id = id, user_id = taker, worth = worth, score = score })
    end
  end
  return has_changed
end

local function drop_gems(gems)
  local count = 0
  for _ in pairs(gems) do count = count + 1 end
  local wanted = ends_at - godra.now <= RUSH_MS and 2 * GEMS or GEMS
  local missing = math.min(wanted - count, GEMS_A_BEAT)
  for _ = 1, missing do
    gem = gem + 1
    local worth = math.random(10) == 1 and 5 or 1
    local x = math.floor(MARGIN + math.random() * math.max(0, width - 2 * MARGIN))
    local y = math.floor(MARGIN + math.random() * math.max(0, height - 2 * MARGIN))
    local id = tostring(gem)
    gems[id] = string.format("%d,%d,%d", x, y, worth)
    redis.call("HSET", KEYS[3], id, gems[id])
    godra.publish("gem", { id = id, x = x, y = y, worth = worth })
  end
  if missing > 0 then redis.call("HSET", KEYS[2], "gem", gem) end
  return missing > 0
end

if phase == "playing" and godra.now >= ends_at then
  end_round()
elseif phase ~= "playing" and godra.now >= ends_at then
  start_round()
elseif phase == "playing" then
  local gems = hash(KEYS[3])
  local has_taken = take_gems(gems)
  local has_dropped = drop_gems(gems)
  if has_taken or has_dropped then show_all(gems, hash(KEYS[4])) end
end
godra.tell(godra.room, "arena_beat", {}, { after = BEAT_MS, name = "arena" })
