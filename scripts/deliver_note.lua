-- Gives a note to one player in the room; other scripts tell it (see lib/notes.lua).
--
-- ROLE: server
-- ARGV: "", {to, type, payload}
-- Publishes an event of that type, for that player.

local note = cjson.decode(ARGV[2])
godra.publish(note.type, note.payload, { to = note.to })
