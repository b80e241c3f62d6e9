-- Seats of a room that others may have: of who took one and did not come, and of bots.
-- `keys` names the room's keys: players, names, positions, reserved, places, bots.

local seats = {}

local places = require("places")

local SEAT_MS = 30000 -- how long a seat is kept for who has taken it and does not connect
local MOST_AT_ONCE = 100 -- of the seats that go to others

local function give_up(id, keys)
  redis.call("SREM", keys.players, id)
  local name = redis.call("HGET", keys.names, id)
  redis.call("HDEL", keys.names, id)
  return name or id
end

-- Who took a seat and has not come for it in time gives it back. Returns how many do.
function seats.take_back(keys)
  local count = 0
  local reserved = redis.call("HGETALL", keys.reserved)
  for i = 1, #reserved, 2 do
    local id, taken_at = reserved[i], tonumber(reserved[i + 1])
    local is_overdue = taken_at + SEAT_MS <= godra.now or taken_at > godra.now + 1000 -- the clock was set back
    if is_overdue and count < MOST_AT_ONCE then
      redis.call("HDEL", keys.reserved, id)
      local name = give_up(id, keys)
      places.keep(id, keys.positions, keys.places)
      count = count + 1
      godra.publish("player_left", { user_id = id, username = name })
    end
  end
  return count
end

-- Whether somebody who has a seat has time to come for it.
function seats.are_awaited(reserved)
  for _, taken_at in ipairs(redis.call("HVALS", reserved)) do
    if tonumber(taken_at) + SEAT_MS > godra.now then return true end
  end
  return false
end

-- A bot gives its seat to a player. Returns how many do.
function seats.dismiss_bot(keys)
  local bots = redis.call("HKEYS", keys.bots)
  if #bots == 0 then return 0 end
  table.sort(bots)
  local id = bots[#bots]
  redis.call("HDEL", keys.bots, id)
  redis.call("HDEL", keys.positions, id)
  godra.publish("player_left", { user_id = id, username = give_up(id, keys) })
  return 1
end

return seats
