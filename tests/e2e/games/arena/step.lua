-- Moves everybody, and gives each pickup to who is nearest, if anybody is near.
--
-- TICK: 50
-- KEYS: game:{room}:arena
-- ARGV: ms since the last step
-- Publishes taken {pickup, user_id, score, at} and places {n, at, players: {<user_id>: {x, y}}}.

local text = redis.call("GET", KEYS[1])
if not text then return end

local SIZE, SPEED, REACH, BACK_MS = 200, 100, 8, 3000
local way = SPEED * math.min(tonumber(ARGV[1]), 250) / 1000
local arena = cjson.decode(text)
arena.n = arena.n + 1

local function inside(value) return math.max(0, math.min(SIZE, value)) end

local ids, places = {}, {}
for _, id in ipairs(godra.members()) do
  local player = arena.players[id]
  if player then
    player.x, player.y = inside(player.x + player.dx * way), inside(player.y + player.dy * way)
    ids[#ids + 1], places[id] = id, { x = player.x, y = player.y }
  end
end

for number, pickup in ipairs(arena.pickups) do
  local nearest, least = nil, REACH
  for _, id in ipairs(pickup.there and ids or {}) do
    local player = arena.players[id]
    local away = math.sqrt((player.x - pickup.x) ^ 2 + (player.y - pickup.y) ^ 2)
    if away < least then nearest, least = id, away end
  end
  if nearest then
    local player = arena.players[nearest]
    player.score, pickup.there = player.score + 1, false
    godra.publish("taken", { pickup = number, user_id = nearest, score = player.score, at = godra.now })
    godra.tell(godra.room, "pickup_back", { pickup = number }, { after = BACK_MS, name = "pickup:" .. number })
  end
end

redis.call("SET", KEYS[1], cjson.encode(arena), "KEEPTTL")
godra.publish("places", { n = arena.n, at = godra.now, players = places }, { replace = "places" })
