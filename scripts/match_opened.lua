-- The room of a match is there: its players are given it. `open_match` tells.
--
-- ROLE: server
-- KEYS: match:tickets, match:made, match:ends
-- ARGV: "", {id}

local FOUND_MS = 60000 -- for how long a room that was found can be asked for

local id = cjson.decode(ARGV[2]).id
local made = redis.call("HGET", KEYS[2], id)
if not made then return end
redis.call("HDEL", KEYS[2], id)
for _, ticket_id in ipairs(cjson.decode(made).tickets) do
  local text = redis.call("HGET", KEYS[1], ticket_id)
  if text then
    local ticket = cjson.decode(text)
    ticket.status, ticket.room, ticket.made = "found", "game:" .. id, nil
    redis.call("HSET", KEYS[1], ticket_id, cjson.encode(ticket))
    redis.call("ZADD", KEYS[3], godra.now + FOUND_MS, ticket_id)
  end
end
