-- Sets timers of a room, each of which rings once a second: evenly spread over the second, and so that those of different rooms
-- do not all ring at once. Or sets some that are due tomorrow: they do no more than to be pending.
--
-- ROLE: guest
-- KEYS: game:{room}
-- ARGV: user_id, how many, how often each rings (0: it is due tomorrow), milliseconds until the first second begins, the room's
--       share (0 to 1) of the time between two of its timers
-- Returns OK.

local count, times, first, share = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
for number = 0, count - 1 do
  local after = times == 0 and 86400000 or first + math.floor(1000 * (number + share) / count)
  local timer = { due = godra.now + after, left = times }
  godra.tell(godra.room, "timers_ring", timer, { after = after })
end
return "OK"
