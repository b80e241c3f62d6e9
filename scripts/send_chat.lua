-- Says something to everybody in the room.
--
-- ROLE: guest
-- KEYS: game:{room}, game:{room}:players
-- ROOM: 2
-- ARGV from a socket: user_id, {"message": TEXT}
-- ARGV from an RPC:   user_id, message, room      (an RPC has three values)
-- Publishes chat {user_id, username, message, timestamp}. Returns OK.

local MAX_CHARACTERS = 500

local message
if ARGV[3] then
  message = ARGV[2]
else
  local ok, payload = pcall(cjson.decode, ARGV[2])
  if ok and type(payload) == "table" then message = payload.message end
end
if type(message) ~= "string" then
  godra.error("bad_request", "message must be a text: payload {message}, or args [message, room]")
end

-- In UTF-8, every byte that does not continue a character begins one.
local _, characters = string.gsub(message, "[^\128-\191]", "")
if characters < 1 or characters > MAX_CHARACTERS then
  godra.error("bad_request", "message must have 1 to " .. MAX_CHARACTERS .. " characters")
end

local user = godra.user
if redis.call("SISMEMBER", KEYS[2], user.id) == 0 then
  godra.error("forbidden", "You are not in this lobby")
end

godra.publish("chat", { user_id = user.id, username = user.name, message = message, timestamp = godra.now })
return "OK"
