-- Hook: the table as everybody sees it, and the hand of who looks.
--
-- KEYS: game:{room}, game:{room}:cards
-- ARGV: user_id
-- Returns JSON text: {table?, hand?}

local text = redis.call("GET", KEYS[2])
local hand = text and cjson.decode(text).hands[ARGV[1]]
return cjson.encode({ table = godra.state.get("table"), hand = hand and godra.array(hand) or nil })
