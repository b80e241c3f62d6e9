-- Fills seats of a lobby with bots. A bot is a member like any, with an id "bot:1"; it gives its seat to a player who finds the lobby
-- full, and all go when nobody is connected. The owner adds them; in a room without one, which quick match makes, any member does.
--
-- ROLE: guest
-- KEYS: game:{room}, game:{room}:players, game:{room}:names, game:{room}:positions, game:{room}:bots, game:{room}:online
-- KEYS: lobbies:info
-- ARGV: user_id, {"count": N}?      1 to 16; without it, as many as there are seats, up to that
-- Publishes player_joined {user_id, username, x, y, bot: true} for each. Returns how many there are now.

local bots = require("bots")

local ok, payload = pcall(cjson.decode, ARGV[2] or "{}")
if ok and payload == cjson.null then payload = {} end
local count = ok and type(payload) == "table" and (payload.count or bots.MOST)
if type(count) ~= "number" or not (count >= 1 and count <= bots.MOST) or count % 1 ~= 0 then
  godra.error("bad_request", "count must be a whole number from 1 to " .. bots.MOST)
end
local owner = redis.call("HGET", KEYS[1], "owner")
if owner == "" then
  if redis.call("SISMEMBER", KEYS[2], ARGV[1]) == 0 then godra.error("forbidden", "You are not in this lobby") end
elseif owner ~= ARGV[1] then
  godra.error("forbidden", "Only the owner adds bots")
end

local about = redis.call("HMGET", KEYS[1], "capacity", "width", "height")
local room = { capacity = tonumber(about[1]) or 0, width = tonumber(about[2]) or 1000, height = tonumber(about[3]) or 1000 }
local keys = { players = KEYS[2], names = KEYS[3], positions = KEYS[4], bots = KEYS[5] }
local members = bots.add(count, redis.call("SCARD", KEYS[2]), room, keys)
local until_ms = redis.call("SCARD", KEYS[6]) > 0 and 0 or godra.now + godra.room_ttl * 1000
redis.call("HSET", KEYS[7], godra.room, members .. "," .. room.capacity .. "," .. until_ms)
-- Where calls without a room run in another store, that one's list is told.
if godra.home == false then
  pcall(godra.tell, nil, "note_lobby", { id = godra.room, info = redis.call("HGET", KEYS[7], godra.room) })
end
return redis.call("HLEN", KEYS[5])
