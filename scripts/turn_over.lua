-- The time of a turn is over: it goes to the next one. The timer of `start_turns` and `take_turn`.
--
-- ROLE: server
-- KEYS: game:{room}:players, game:{room}:state, game:{room}:online
-- ARGV: "", {n}
-- Publishes turn_missed {user_id, n} and turn {user_id, n, ends_at}; once nobody is connected, turns_ended {}.

local text = redis.call("HGET", KEYS[2], "turns")
local turns = text and cjson.decode(text)
if not turns or turns.n ~= cjson.decode(ARGV[2]).n then return end

if redis.call("SCARD", KEYS[3]) == 0 then
  redis.call("HDEL", KEYS[2], "turns")
  return godra.publish("turns_ended", cjson.decode("{}"))
end
godra.publish("turn_missed", { user_id = turns.order[turns.at], n = turns.n })

for _ = 1, #turns.order do
  turns.at = turns.at % #turns.order + 1
  if redis.call("SISMEMBER", KEYS[1], turns.order[turns.at]) == 1 then break end
end
turns.n, turns.ends_at = turns.n + 1, godra.now + turns.limit_ms
redis.call("HSET", KEYS[2], "turns", cjson.encode(turns))
godra.tell(godra.room, "turn_over", { n = turns.n }, { after = turns.limit_ms, name = "turn" })
godra.publish("turn", { user_id = turns.order[turns.at], n = turns.n, ends_at = turns.ends_at })
