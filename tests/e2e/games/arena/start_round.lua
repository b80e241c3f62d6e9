-- Begins a round: the owner starts it, and its label round_ms says how long it lasts.
--
-- ROLE: guest
-- KEYS: game:{room}, game:{room}:arena
-- ARGV: user_id
-- Publishes round {size, pickups, ends}. Returns OK.

local SIZE, PICKUPS = 200, 8
local ROUND_MS, MIN_ROUND_MS, MAX_ROUND_MS = 120000, 1000, 600000
local KEEP_S = 60 * 60

if redis.call("HGET", KEYS[1], "owner") ~= godra.user.id or not godra.is_member() then
  godra.error("forbidden", "Only the lobby's owner starts a round")
end
if redis.call("EXISTS", KEYS[2]) == 1 then godra.error("conflict", "A round is on") end
local labels = cjson.decode(redis.call("HGET", KEYS[1], "labels") or "{}")
local round_ms = labels.round_ms or ROUND_MS
if type(round_ms) ~= "number" or round_ms < MIN_ROUND_MS or round_ms > MAX_ROUND_MS or round_ms % 1 ~= 0 then
  godra.error("bad_request", "The lobby's label round_ms must be a whole number from 1000 to 600000")
end

local arena = { n = 0, players = {}, pickups = {} }
for _, id in ipairs(godra.members()) do
  arena.players[id] = { x = SIZE / 2, y = SIZE / 2, dx = 0, dy = 0, score = 0 }
end
for i = 1, PICKUPS do
  local angle = 2 * math.pi * i / PICKUPS
  arena.pickups[i] = { x = SIZE / 2 + 50 * math.cos(angle), y = SIZE / 2 + 50 * math.sin(angle), there = true }
end
redis.call("SET", KEYS[2], cjson.encode(arena), "EX", KEEP_S)
godra.publish("round", { size = SIZE, pickups = arena.pickups, ends = godra.now + round_ms })
godra.tell(godra.room, "round_over", nil, { after = round_ms, name = "round" })
return "OK"
