-- When the tick scripts of a room run: where each is stands in the room's record as "last next interval", in milliseconds. What
-- comes of asking is as src/state/ticks.rs says.
local function make_ticks(record, now, keep)
  -- token: the interval, a space, and the script's name. Returns how long it is since the last run (nil if it is not due), how many
  -- runs were left out, and how long it is until the next.
  return function(token)
    local interval, name = string.match(token, "^(%d+) (.*)$")
    interval = tonumber(interval)
    local field = "tick:" .. name
    local known = redis.call("HGET", record, field)
    local last, next_due, of = string.match(known or "", "^(%d+) (%d+) (%d+)$")
    last, next_due = tonumber(last), tonumber(next_due)
    local passed, left_out
    if not last or now < last or now - last > LONGEST_PAUSE + interval then
      last, next_due, left_out = now, now + interval, 0
      if redis.call("TTL", record) < 0 then known = nil end
    else
      if tonumber(of) ~= interval then next_due = last + interval end
      left_out = 0
      if now >= next_due then
        passed, left_out = now - last, math.floor((now - next_due) / interval)
        last, next_due = now, next_due + (left_out + 1) * interval
      elseif tonumber(of) == interval then
        return nil, 0, next_due - now
      end
    end
    keep("HSET", record, field, string.format("%.0f %.0f %d", last, next_due, interval))
    if not known then redis.call("EXPIRE", record, 604800) end
    return passed, left_out, next_due - now
  end
end

