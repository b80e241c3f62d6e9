-- Fills seats of a lobby with bots. A bot is a member like any, with an id "bot:1"; it gives its seat to a player who finds the lobby
-- full, and all go when nobody is connected. The owner adds them; in a room without one, which quick match makes, any member does.
--
-- ROLE: guest
-- KEYS: game:{room}, game:{room}:players, game:{room}:names, game:{room}:positions, game:{room}:bots, game:{room}:online
-- KEYS: lobbies:info
-- ARGV: user_id, {"count": N}?      1 to 16; without it, as many as there are seats, up to that
-- Publishes player_joined {user_id, username, x, y, bot: true} for each. Returns how many there are now.

local MOST = 16
local NAMES = { "Ada", "Bo", "Cleo", "Dot", "Emil", "Fay", "Gus", "Hal", "Ida", "Jo", "Kit", "Lou", "Max", "Nell", "Otto", "Pip" }
local BEAT_MS = 250

local ok, payload = pcall(cjson.decode, ARGV[2] or "{}")
if ok and payload == cjson.null then payload = {} end
local count = ok and type(payload) == "table" and (payload.count or MOST)
if type(count) ~= "number" or not (count >= 1 and count <= MOST) or count % 1 ~= 0 then
  godra.error("bad_request", "count must be a whole number from 1 to " .. MOST)
end
local owner = redis.call("HGET", KEYS[1], "owner")
if owner == "" then
  if redis.call("SISMEMBER", KEYS[2], ARGV[1]) == 0 then godra.error("forbidden", "You are not in this lobby") end
elseif owner ~= ARGV[1] then
  godra.error("forbidden", "Only the owner adds bots")
end

local room = redis.call("HMGET", KEYS[1], "capacity", "width", "height")
local capacity, width, height = tonumber(room[1]) or 0, tonumber(room[2]) or 1000, tonumber(room[3]) or 1000
local members = redis.call("SCARD", KEYS[2])
for number = 1, MOST do
  local id = "bot:" .. number
  if count == 0 or members >= capacity then break end
  if redis.call("SADD", KEYS[2], id) == 1 then
    local x, y = math.floor(math.random() * width), math.floor(math.random() * height)
    redis.call("HSET", KEYS[3], id, NAMES[number])
    redis.call("HSET", KEYS[4], id, struct.pack("<ddd", x, y, godra.now))
    redis.call("HSET", KEYS[5], id, godra.now)
    godra.publish("player_joined", { user_id = id, username = NAMES[number], x = x, y = y, bot = true })
    members, count = members + 1, count - 1
  end
end
local until_ms = redis.call("SCARD", KEYS[6]) > 0 and 0 or godra.now + godra.room_ttl * 1000
redis.call("HSET", KEYS[7], godra.room, members .. "," .. capacity .. "," .. until_ms)
godra.tell(godra.room, "move_bots", {}, { after = BEAT_MS, name = "bots" })
return redis.call("HLEN", KEYS[5])
