-- Says something to everybody in the room.
--
-- ROLE: guest
-- KEYS: game:{room}, game:{room}:players
-- ROOM: 2
-- ARGV from a socket: user_id, {"message": TEXT}
-- ARGV from an RPC:   user_id, message, room      (an RPC has three values)
-- Publishes chat {user_id, username, message, timestamp}, with the message as it is below. Returns OK.

local MAX_CHARACTERS = 500

local message
if ARGV[3] then
  message = ARGV[2]
else
  local ok, payload = pcall(cjson.decode, ARGV[2])
  if not ok then godra.error("bad_request", "the payload cannot be read: " .. payload) end
  if type(payload) == "table" then message = payload.message end
end
if type(message) ~= "string" then
  godra.error("bad_request", "message must be a text: payload {message}, or args [message, room]")
end

message = require("text").message(message, MAX_CHARACTERS)

local user = godra.user
if redis.call("SISMEMBER", KEYS[2], user.id) == 0 then
  godra.error("forbidden", "You are not in this lobby")
end

godra.publish("chat", { user_id = user.id, username = user.name, message = message, timestamp = godra.now })
return "OK"
