-- Notes who is in which room; the hooks tell when somebody comes or goes.
--
-- ROLE: server
-- KEYS: presence
-- ARGV: "", {user_id, username, room, online: true or false, private?}

local MAX_ROOMS = 16 -- of one user

local note = cjson.decode(ARGV[2])
local text = redis.call("HGET", KEYS[1], note.user_id)
local known = text and cjson.decode(text) or { rooms = {}, since = godra.now }

local rooms = {}
for _, room in ipairs(known.rooms) do
  if room.id ~= note.room then rooms[#rooms + 1] = room end
end
if note.online then
  if #rooms >= MAX_ROOMS then table.remove(rooms, 1) end
  rooms[#rooms + 1] = { id = note.room, private = note.private }
end

if #rooms == 0 then
  redis.call("HDEL", KEYS[1], note.user_id)
else
  local entry = { username = note.username, since = known.since, rooms = rooms }
  redis.call("HSET", KEYS[1], note.user_id, cjson.encode(entry))
end
