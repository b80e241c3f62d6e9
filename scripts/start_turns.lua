-- Begins a game in turns: the members of the room move one after another, each within a time limit. The owner begins it.
--
-- ROLE: guest
-- KEYS: game:{room}, game:{room}:players, game:{room}:state
-- ARGV: user_id, {"limit_ms": N}?      1000 to 600000; 20000 without it
-- Publishes turn {user_id, n, ends_at}. The state has it as `turns` {order, at, n, ends_at, limit_ms}. Returns OK.

local LIMIT_MS = 20000

local ok, payload = pcall(cjson.decode, ARGV[2] or "{}")
if ok and payload == cjson.null then payload = {} end
local limit_ms = ok and type(payload) == "table" and (payload.limit_ms or LIMIT_MS)
if type(limit_ms) ~= "number" or not (limit_ms >= 1000 and limit_ms <= 600000) or limit_ms % 1 ~= 0 then
  godra.error("bad_request", "limit_ms must be a whole number from 1000 to 600000")
elseif redis.call("HGET", KEYS[1], "owner") ~= ARGV[1] then
  godra.error("forbidden", "Only the owner begins")
end

-- In an order of chance: what a set gives is sorted first, so that the seed decides alone.
local order = redis.call("SMEMBERS", KEYS[2])
table.sort(order)
for i = #order, 2, -1 do
  local other = math.random(i)
  order[i], order[other] = order[other], order[i]
end

require("turns").begin({ order = order, at = 1, n = 1, limit_ms = limit_ms }, KEYS[3])
return "OK"
