-- What timers go by: the store's clock, but that it is never set back. Then it goes on from where a look (see mail_look.lua) has seen it
-- last, so that timers keep their delays. In front of what reads it.
--   clock        hash: seen, the latest time that a look has seen; ahead, by how much that is ahead of the store's clock. None while
--                nothing is pending
-- `mail` is what the names of the keys begin with, and `now` the store's time in milliseconds. Gives the time, and both fields.
local function read_mail_clock(mail, now)
  local known = redis.call("HMGET", mail .. "clock", "seen", "ahead")
  local seen, ahead = tonumber(known[1] or 0), tonumber(known[2] or 0)
  return math.max(seen, now + ahead), seen, ahead
end

