-- What a room has under keys of its own ends with it. Made for batches in which somebody comes or goes, and for calls from outside.
-- A room lasts as long as its head, game:ROOM; when that is to end, what has no end gets the same, and loses it when somebody comes
-- back. What a script has given an end of its own keeps that. The room's record has when its keys end, in milliseconds.
-- ROOM_KEYS(game, nil for the default one): makes a list of what stands before and behind the room's id in each.
local function settle_lifetimes(room, now, room_ttl, somebody_moves, keep)
  local SAME = 1000 -- ends that are no further apart than this are the same: the clock may go on while a batch runs
  local call = redis.call
  local left = call("PTTL", "game:" .. room)
  if left == -1 and not somebody_moves then return end
  local record = OWN_KEYS .. "room:" .. room
  local before = tonumber(call("HGET", record, "ends") or nil)
  if left < 0 and not before then return end
  local lasts = left
  -- What comes after a room's end does not last longer than a room that nobody is in, however often somebody asks.
  if left == -2 then lasts = before > now and before - now or room_ttl * 1000 end
  local keys = ROOM_KEYS(string.match(room, "^([^~]+)~"))
  for index = 1, #keys, 2 do
    local key = keys[index] .. room .. keys[index + 1]
    local own = call("PTTL", key)
    local is_ours = own == -1 or own >= 0 and before and math.abs(now + own - before) <= SAME
    if is_ours and lasts >= 0 then
      if own ~= lasts then call("PEXPIRE", key, lasts) end
    elseif is_ours and own >= 0 then
      call("PERSIST", key)
    end
  end
  if lasts >= 0 then
    keep("HSET", record, "ends", string.format("%.0f", now + lasts))
  else
    call("HDEL", record, "ends")
  end
end

