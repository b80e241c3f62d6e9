-- Makes the room of a match, with a seat for each of its players, and maybe bots in the others; `match_pass` tells.
--
-- ROLE: server
-- KEYS: game:{room}, game:{room}:players, game:{room}:names, game:{room}:reserved, lobbies:info, lobbies:ends
-- KEYS: game:{room}:positions, game:{room}:bots
-- ARGV: "", {label, size, users: [{id, name}, …], bots: true?}
-- Publishes player_joined {user_id, username, x, y, bot: true} for each bot.

local IDLE_S = godra.room_ttl -- how long it lasts while nobody is connected

local match = cjson.decode(ARGV[2])
local members = #match.users
redis.call("DEL", KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[7], KEYS[8])
redis.call("HSET", KEYS[1], "owner", "", "capacity", match.size, "status", "open", "created_at", godra.now,
  "width", 1000, "height", 1000, "max_speed", 300, "private", 1, "labels", cjson.encode({ mode = match.label }))
for _, user in ipairs(match.users) do
  redis.call("SADD", KEYS[2], user.id)
  redis.call("HSET", KEYS[3], user.id, user.name)
  redis.call("HSET", KEYS[4], user.id, godra.now)
end
if match.bots then
  local bots = require("bots")
  local keys = { players = KEYS[2], names = KEYS[3], positions = KEYS[7], bots = KEYS[8] }
  members = bots.add(bots.MOST, members, { capacity = match.size, width = 1000, height = 1000 }, keys)
  redis.call("EXPIRE", KEYS[7], IDLE_S)
end
for i = 1, 4 do redis.call("EXPIRE", KEYS[i], IDLE_S) end
redis.call("HSET", KEYS[5], godra.room, members .. "," .. match.size .. "," .. godra.now + IDLE_S * 1000)
redis.call("ZADD", KEYS[6], godra.now + IDLE_S * 1000, godra.room)
godra.tell(nil, "match_opened", { id = godra.room })
