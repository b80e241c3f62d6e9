-- Moves the caller, inside the room's bounds and not faster than its max_speed.
--
-- ROLE: guest
-- KEYS: game:{room}, game:{room}:positions, game:{room}:players
-- ROOM: 3
-- ARGV from a socket: user_id, {"x": X, "y": Y}
-- ARGV from an RPC:   user_id, x, y, room?       (an RPC has three values or more)
-- Publishes player_moved {user_id, x, y}. Returns OK.
-- Errors: out_of_bounds and too_fast, with the position that counts as details {x, y}.

local BURST_MS = 1000 -- way that a lagging client may catch up on at once

local x, y
if ARGV[3] then
  x, y = tonumber(ARGV[2]), tonumber(ARGV[3])
else
  local ok, payload = pcall(cjson.decode, ARGV[2])
  if not ok then godra.error("bad_request", "the payload cannot be read: " .. payload) end
  if type(payload) == "table" then x, y = payload.x, payload.y end
end
-- Infinity and NaN are the numbers that are not zero when taken from themselves.
if type(x) ~= "number" or type(y) ~= "number" or x - x ~= 0 or y - y ~= 0 then
  godra.error("bad_request", "x and y must be finite numbers")
end

local user_id = ARGV[1]
local position = redis.call("HGET", KEYS[2], user_id)
if not position and redis.call("SISMEMBER", KEYS[3], user_id) == 0 then
  godra.error("forbidden", "You are not in this lobby")
end

-- Stored are x, y and spent: a move of d units costs d / max_speed of time, and `spent` says up to when time is spent.
-- A member's first move has no position before it, and may lead anywhere.
local last_x, last_y, last_spent
if position then
  last_x, last_y, last_spent = struct.unpack("<ddd", position)
end
local room = redis.call("HMGET", KEYS[1], "width", "height", "max_speed")
local width, height, max_speed = tonumber(room[1]) or 1000, tonumber(room[2]) or 1000, tonumber(room[3]) or 0

if x < 0 or y < 0 or x > width or y > height then
  godra.error("out_of_bounds", "Outside of the arena", last_x and { x = last_x, y = last_y })
end

local now = godra.now
local spent = now - BURST_MS
if last_x and max_speed > 0 then
  -- No time is spent ahead: the clock was set back. A move that fails stores nothing, so nobody waits until it has caught up.
  if last_spent > now then last_spent = spent end
  if spent < last_spent then spent = last_spent end
  local dx, dy = x - last_x, y - last_y
  spent = spent + (dx * dx + dy * dy) ^ 0.5 / max_speed * 1000
  if spent > now then
    godra.error("too_fast", "Faster than allowed", { x = last_x, y = last_y })
  end
end

redis.call("HSET", KEYS[2], user_id, struct.pack("<ddd", x, y, spent))
if not position then
  -- The first position of all makes the key, which must not outlast a room that nobody is connected to.
  local left_ms = redis.call("PTTL", KEYS[1])
  if left_ms > 0 then redis.call("PEXPIRE", KEYS[2], left_ms) end
end
godra.publish("player_moved", { user_id = user_id, x = x, y = y })
return "OK"
