-- Tickets of quick match, for scripts whose first five keys are match:tickets, :queue, :users, :made and :ends.

local tickets = {}

local TICKETS, QUEUE, USERS, ENDS = KEYS[1], KEYS[2], KEYS[3], KEYS[5]

tickets.PASS_MS = 500 -- between two passes that make matches
tickets.UNSEEN_MS = 30000 -- after which a ticket goes that nobody asks for

function tickets.load(id)
  local text = id and redis.call("HGET", TICKETS, id)
  return text and cjson.decode(text)
end

function tickets.save(ticket)
  redis.call("HSET", TICKETS, ticket.id, cjson.encode(ticket))
end

function tickets.drop(ticket)
  if ticket.place then redis.call("ZREM", QUEUE, ticket.place) end
  redis.call("ZREM", ENDS, ticket.id)
  redis.call("HDEL", TICKETS, ticket.id)
  for _, id in ipairs(ticket.users) do
    if redis.call("HGET", USERS, id) == ticket.id then redis.call("HDEL", USERS, id) end
  end
end

-- The next pass is due.
function tickets.plan_pass()
  godra.tell(nil, "match_pass", {}, { after = tickets.PASS_MS, name = "match_pass" })
end

return tickets
