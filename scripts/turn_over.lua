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

require("turns").pass(turns, KEYS[1], KEYS[2])
