-- Moves, if it is the caller's turn. What a move means is for the game: here it goes to everybody.
--
-- ROLE: guest
-- KEYS: game:{room}:players, game:{room}:state
-- ARGV: user_id, {"n": N, "move": any}      n: which turn is meant, so that a late move is not taken for the next one
-- Publishes move {user_id, n, move} and turn {user_id, n, ends_at} of who is next. Returns OK.

local ok, payload = pcall(cjson.decode, ARGV[2] or "")
if not ok or type(payload) ~= "table" or type(payload.n) ~= "number" or payload.move == nil then
  godra.error("bad_request", "a turn is {n, move}")
end
local text = redis.call("HGET", KEYS[2], "turns")
if not text then godra.error("conflict", "no game in turns is on") end
local turns = cjson.decode(text)
if turns.n ~= payload.n then
  godra.error("conflict", "that turn is over", { n = turns.n })
elseif turns.order[turns.at] ~= ARGV[1] then
  godra.error("forbidden", "it is not your turn", { user_id = turns.order[turns.at] })
end

godra.publish("move", { user_id = ARGV[1], n = turns.n, move = payload.move })

require("turns").pass(turns, KEYS[1], KEYS[2])
return "OK"
