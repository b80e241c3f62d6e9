-- Lists the lobbies, the newest first, a page at a time.
--
-- ROLE: guest
-- KEYS: lobbies, lobbies:info, lobbies:ends, lobbies:owners, lobbies:owned
-- ARGV: user_id, limit?, cursor?
--   limit    1 to 100 lobbies; 20 if left out
--   cursor   what the page before ended with
-- Returns JSON text: {lobbies: [{id, members, capacity, created_at}, …], cursor: text, or null at the end}

local LIMIT, MAX_LIMIT = 20, 100

local limit = ARGV[2] and tonumber(ARGV[2]) or not ARGV[2] and LIMIT
if not limit or not (limit >= 1 and limit <= MAX_LIMIT) or limit % 1 ~= 0 then
  godra.error("bad_request", "limit must be a whole number from 1 to " .. MAX_LIMIT)
end

-- Takes a lobby out of the index, and frees its owner's place for another.
local function forget(id)
  redis.call("ZREM", KEYS[1], id)
  redis.call("HDEL", KEYS[2], id)
  redis.call("ZREM", KEYS[3], id)
  local owner = redis.call("HGET", KEYS[4], id)
  if not owner then return end
  redis.call("HDEL", KEYS[4], id)
  if redis.call("HINCRBY", KEYS[5], owner, -1) <= 0 then redis.call("HDEL", KEYS[5], owner) end
end

-- Lobbies that have come to their end leave the index, so that pages hold those that are there.
local MOST_ENDED = 200
local ended = redis.call("ZRANGEBYSCORE", KEYS[3], "-inf", godra.now, "LIMIT", 0, MOST_ENDED)
for i = 1, #ended do forget(ended[i]) end

-- A cursor is created_at:id of the last lobby seen; should that be gone by now, its time still tells where to go on.
local start = 0
if ARGV[3] then
  local created_at, id = string.match(ARGV[3], "^(%d+):([%w_-]+)$")
  if not id then
    godra.error("bad_request", "cursor must be what the page before ended with")
  end
  local rank = redis.call("ZREVRANK", KEYS[1], id)
  start = rank and rank + 1 or redis.call("ZCOUNT", KEYS[1], "(" .. created_at, "+inf")
end

local page = redis.call("ZREVRANGE", KEYS[1], start, start + limit - 1, "WITHSCORES")
local lobbies, cursor = {}, cjson.null
for i = 1, #page, 2 do
  local id, created_at = page[i], page[i + 1]
  local info = redis.call("HGET", KEYS[2], id) or ""
  local members, capacity, expires_at = string.match(info, "^(%d+),(%d+),(%d+)$")
  expires_at = tonumber(expires_at or 1)
  if expires_at ~= 0 and expires_at <= godra.now then
    forget(id)
  else
    lobbies[#lobbies + 1] = cjson.encode({
      id = "game:" .. id,
      members = tonumber(members),
      capacity = tonumber(capacity),
      created_at = tonumber(created_at),
    })
  end
  cursor = created_at .. ":" .. id
end
if #page < 2 * limit then cursor = cjson.null end

return '{"lobbies":[' .. table.concat(lobbies, ",") .. '],"cursor":' .. cjson.encode(cursor) .. "}"
