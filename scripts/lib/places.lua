-- Where players were who have gone: for a while, so that who comes back begins there. `positions` and `places` are keys.

local places = {}

local PLACE_MS, MAX_PLACES = 300000, 256 -- how long they are kept, and of how many

-- Somebody goes. Without this, leaving would be a way to be anywhere at once.
function places.keep(id, positions, places_key)
  local position = redis.call("HGET", positions, id)
  if not position then return end
  redis.call("HDEL", positions, id)
  if redis.call("HLEN", places_key) >= MAX_PLACES then
    redis.call("HDEL", places_key, redis.call("HRANDFIELD", places_key))
  end
  redis.call("HSET", places_key, id, position .. struct.pack("<d", godra.now))
  redis.call("PEXPIRE", places_key, PLACE_MS)
end

-- Somebody comes back, if the room is still the same.
function places.take(id, created_at, positions, places_key)
  local place = redis.call("HGET", places_key, id)
  if not place then return end
  redis.call("HDEL", places_key, id)
  local left_at = struct.unpack("<d", place, 25)
  if left_at >= created_at and left_at + PLACE_MS > godra.now then
    redis.call("HSET", positions, id, string.sub(place, 1, 24))
  end
end

return places
