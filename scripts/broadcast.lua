-- Says something to everybody in a room, whether the caller is a member or not; for managers.
--
-- ROLE: manager
-- KEYS: game:{room}
-- ROOM: 2
-- ARGV from a socket: user_id, {"message": TEXT}
-- ARGV from an RPC:   user_id, message, room
-- Publishes broadcast {message, timestamp}. Returns OK.

local MAX_CHARACTERS = 1000

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

if redis.call("EXISTS", KEYS[1]) == 0 then
  godra.error("not_found", "Lobby does not exist")
end

godra.publish("broadcast", { message = message, timestamp = godra.now })
return "OK"
