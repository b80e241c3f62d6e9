-- Makes a lobby. The caller owns it and is its first member.
--
-- ROLE: guest
-- KEYS: game:{new}, game:{new}:players, game:{new}:names, game:{new}:positions, game:{new}:online, game:{new}:state
-- KEYS: game:{new}:reserved, lobbies, lobbies:info, lobbies:ends, lobbies:owners, lobbies:owned, lobbies:labels
-- KEYS: lobbies:by_owner
-- ARGV: user_id, capacity?, settings?
--   capacity   how many members it takes, 1 to 5000; 4 if left out
--   settings   a JSON object: width and height of the arena, max_speed in units a second (0: any speed), labels by which it is
--              found ({"mode": "duel", …}: up to 8, texts, numbers, true or false), public (false: list_lobbies leaves it out)
-- Returns the lobby's key, game:<id>.

local CAPACITY, MAX_CAPACITY = 4, 5000
local MAX_SIZE, MAX_SPEED, MAX_LABELS = 1e6, 1e6, 8
local IDLE_S = godra.room_ttl -- how long a lobby lasts while nobody is connected
local SEAT_MS = 30000 -- how long a seat is kept for who has taken it and does not connect

local capacity = CAPACITY
if ARGV[2] then
  capacity = tonumber(ARGV[2])
  if not capacity or not (capacity >= 1 and capacity <= MAX_CAPACITY) or capacity % 1 ~= 0 then
    godra.error("bad_request", "capacity must be a whole number from 1 to " .. MAX_CAPACITY)
  end
end

-- Labels as JSON, if there are any.
local function labels_text(labels)
  local count = 0
  for name, value in pairs(type(labels) == "table" and labels or { false }) do
    count = count + 1
    local kind = type(value)
    if type(name) ~= "string" or #name > 32 or not string.find(name, "^[a-z0-9_]+$") then
      godra.error("bad_request", "labels must be an object of names of a-z, 0-9 and _ (up to 32)")
    elseif kind ~= "string" and kind ~= "number" and kind ~= "boolean" or #tostring(value) > 64
      or kind == "number" and value - value ~= 0 then
      godra.error("bad_request", "a label is a text of up to 64 bytes, a finite number, true or false")
    end
  end
  if count > MAX_LABELS then godra.error("bad_request", "a lobby has up to " .. MAX_LABELS .. " labels") end
  return count > 0 and cjson.encode(labels) or nil
end

local settings = { width = 1000, height = 1000, max_speed = 300 }
local labels, is_public = nil, true
if ARGV[3] then
  local ok, wanted = pcall(cjson.decode, ARGV[3])
  if not ok then godra.error("bad_request", "settings cannot be read: " .. wanted) end
  if type(wanted) ~= "table" then
    godra.error("bad_request", "settings must be a JSON object")
  end
  if wanted.labels ~= nil then labels = labels_text(wanted.labels) end
  if wanted.public ~= nil then
    if type(wanted.public) ~= "boolean" then godra.error("bad_request", "public must be true or false") end
    is_public = wanted.public
  end
  wanted.labels, wanted.public = nil, nil
  for name, value in pairs(wanted) do
    local is_speed = name == "max_speed"
    if not settings[name] then
      godra.error("bad_request", "settings are width, height, max_speed, labels and public")
    elseif type(value) ~= "number" or not (value >= (is_speed and 0 or 1) and value <= (is_speed and MAX_SPEED or MAX_SIZE)) then
      godra.error("bad_request", name .. " must be a number from " .. (is_speed and "0" or "1") .. " to 1000000")
    end
    settings[name] = value
  end
end

if redis.call("EXISTS", KEYS[1]) == 1 then
  godra.error("conflict", "Lobby already exists")
end

-- Takes a lobby out of the index, and frees its owner's place for another.
local function forget(id)
  redis.call("ZREM", KEYS[8], id)
  redis.call("HDEL", KEYS[9], id)
  redis.call("ZREM", KEYS[10], id)
  redis.call("HDEL", KEYS[13], id)
  local owner = redis.call("HGET", KEYS[11], id)
  if not owner then return end
  redis.call("HDEL", KEYS[11], id)
  redis.call("ZREM", KEYS[14], owner .. "\n" .. id)
  if redis.call("HINCRBY", KEYS[12], owner, -1) <= 0 then redis.call("HDEL", KEYS[12], owner) end
end

-- Some of the lobbies that have come to their end go, so that the index does not grow for ever.
local function forget_ended(most)
  local ended = redis.call("ZRANGEBYSCORE", KEYS[10], "-inf", godra.now, "LIMIT", 0, most)
  for i = 1, #ended do forget(ended[i]) end
end

local user, most = godra.user, godra.lobbies_per_owner
local function is_at_limit()
  return most > 0 and user.role ~= "manager" and tonumber(redis.call("HGET", KEYS[12], user.id) or 0) >= most
end

-- The oldest of the owner's lobbies in which nobody is, nor may come back to a seat, makes place for a new one: what lobbies take
-- is bounded by how many one may own, and who has only closed the sockets is not kept out. Until then it waits for its players.
local function end_empty()
  local own = redis.call("ZRANGEBYLEX", KEYS[14], "[" .. user.id .. "\n", "(" .. user.id .. "\v", "LIMIT", 0, most)
  local oldest, oldest_end = nil, math.huge
  for i = 1, #own do
    local id = string.sub(own[i], #user.id + 2)
    local members, expires_at = string.match(redis.call("HGET", KEYS[9], id) or "0,,0", "^(%d+),.*,(%d+)$")
    expires_at = tonumber(expires_at)
    local is_empty = expires_at > 0 and (members == "0" or expires_at <= godra.now + IDLE_S * 1000 - SEAT_MS)
    if is_empty and expires_at < oldest_end then oldest, oldest_end = id, expires_at end
  end
  if not oldest or not pcall(godra.tell, oldest, "end_lobby") then return false end
  forget(oldest)
  return true
end

forget_ended(16)
if is_at_limit() then forget_ended(100) end
while is_at_limit() and end_empty() do end -- several, if somebody came back to one that was to end
if is_at_limit() then
  godra.error("conflict", "you own " .. most .. " lobbies already, and somebody is in each; leave one that is empty but for you",
    { limit = "lobbies_per_owner" }) -- by this the server counts it
end

forget(godra.room) -- one of this id may have ended unnoticed
redis.call("DEL", KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6], KEYS[7])
redis.call("HSET", KEYS[1], "owner", user.id, "capacity", capacity, "status", "open", "created_at", godra.now,
  "width", settings.width, "height", settings.height, "max_speed", settings.max_speed)
if not is_public then redis.call("HSET", KEYS[1], "private", 1) end
if labels then redis.call("HSET", KEYS[1], "labels", labels) end
redis.call("SADD", KEYS[2], user.id)
redis.call("HSET", KEYS[3], user.id, user.name)
redis.call("HSET", KEYS[7], user.id, godra.now)

for i = 1, 7 do redis.call("EXPIRE", KEYS[i], IDLE_S) end
if is_public then redis.call("ZADD", KEYS[8], godra.now, godra.room) end
if labels then redis.call("HSET", KEYS[13], godra.room, labels) end
redis.call("HSET", KEYS[9], godra.room, "1," .. capacity .. "," .. godra.now + IDLE_S * 1000)
redis.call("ZADD", KEYS[10], godra.now + IDLE_S * 1000, godra.room)
redis.call("HSET", KEYS[11], godra.room, user.id)
redis.call("HINCRBY", KEYS[12], user.id, 1)
redis.call("ZADD", KEYS[14], 0, user.id .. "\n" .. godra.room)
-- Where calls without a room run in another store, that one's list is told.
if godra.home == false then
  local info = is_public and redis.call("HGET", KEYS[9], godra.room) or nil
  pcall(godra.tell, nil, "note_lobby", { id = godra.room, info = info, created_at = godra.now, labels = labels })
end

return KEYS[1]
