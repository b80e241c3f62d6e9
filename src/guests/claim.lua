-- Claims guests that have shown no sign of life for too long. Whoever claims them has them alone for the time of a lease.
-- KEYS[1]: guests by their last sign of life; ARGV[2]: how long is too long; ARGV[3]: the lease (both in milliseconds);
-- ARGV[4]: how many guests at most; ARGV[5]: how many rooms of each at most
-- Returns a flat list: how many guests are known, then of each its id, name, score, whether these are all rooms (1 or 0),
--   how many rooms follow, and the rooms in which it may still have a seat.
-- Guests are looked after also while Redis is full: there a script may write that has deleted something.
redis.call("ZREM", KEYS[1], "")
local too_old = godra.now - ARGV[2]
local score = string.format("%.0f", too_old + ARGV[3])
local most = tonumber(ARGV[5])
local found = { tostring(redis.call("ZCARD", KEYS[1])) }

local function add(value)
  found[#found + 1] = value
end

local ids = redis.call("ZRANGEBYSCORE", KEYS[1], "-inf", string.format("(%.0f", too_old), "LIMIT", 0, ARGV[4])
for _, id in ipairs(ids) do
  redis.call("ZADD", KEYS[1], score, id)
  local rooms, name, is_whole = {}, id, "1"
  local record = redis.call("HGETALL", "godra:guest:" .. id)
  for index = 1, #record, 2 do
    local room, how = record[index], record[index + 1]
    if room == "" then
      name = how
    elseif how == "called" then
      if #rooms == most then
        is_whole = "0"
        break
      end
      rooms[#rooms + 1] = room
    end
  end
  add(id)
  add(name)
  add(score)
  add(is_whole)
  add(tostring(#rooms))
  for _, room in ipairs(rooms) do add(room) end
end
return found
