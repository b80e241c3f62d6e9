-- Sets the direction of the caller, who moves on by itself. Who was not there when the round began comes in.
--
-- ROLE: guest
-- KEYS: game:{room}:arena
-- ARGV: user_id, {dx, dy}: a direction of any length; 0, 0 stands still
-- Publishes nothing: step.lua tells the places. Returns OK.

local START = 100

local function finite(value) return type(value) == "number" and value > -1e6 and value < 1e6 end

local way = type(godra.payload) == "table" and godra.payload or {}
if not finite(way.dx) or not finite(way.dy) then
  godra.error("bad_request", "dx and dy must be numbers between -1000000 and 1000000")
end
if not godra.is_member() then godra.error("forbidden", "You are not in this lobby") end
local text = redis.call("GET", KEYS[1])
if not text then godra.error("conflict", "No round is on") end

local arena = cjson.decode(text)
local length = math.sqrt(way.dx * way.dx + way.dy * way.dy)
if length == 0 then length = 1 end
local player = arena.players[godra.user.id] or { x = START, y = START, score = 0 }
player.dx, player.dy = way.dx / length, way.dy / length
arena.players[godra.user.id] = player
redis.call("SET", KEYS[1], cjson.encode(arena), "KEEPTTL")
return "OK"
