-- Passes what it is told on to a room, from outside all rooms.
-- ROLE: server
local message = cjson.decode(ARGV[2])
godra.tell(message.to, "hear", message.what)
