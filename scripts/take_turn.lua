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

-- The next one who is still in the room.
for _ = 1, #turns.order do
  turns.at = turns.at % #turns.order + 1
  if redis.call("SISMEMBER", KEYS[1], turns.order[turns.at]) == 1 then break end
end
turns.n, turns.ends_at = turns.n + 1, godra.now + turns.limit_ms
redis.call("HSET", KEYS[2], "turns", cjson.encode(turns))
godra.tell(godra.room, "turn_over", { n = turns.n }, { after = turns.limit_ms, name = "turn" })
godra.publish("turn", { user_id = turns.order[turns.at], n = turns.n, ends_at = turns.ends_at })
return "OK"
