-- Lists the public lobbies, the newest first, a page at a time.
--
-- ROLE: guest
-- KEYS: lobbies, lobbies:info, lobbies:ends, lobbies:owners, lobbies:owned, lobbies:labels
-- KEYS: lobbies:by_owner
-- ARGV: user_id, limit?, cursor?, filter?
--   limit    1 to 100 lobbies; 20 if left out
--   cursor   what the page before ended with
--   filter   a JSON object: labels (those that have these, {"mode": "duel", …}), free (true: those with a seat left)
-- Returns JSON text: {lobbies: [{id, members, capacity, created_at, labels?}, …], cursor: text, or null at the end}
-- With a filter a page looks at 500 lobbies: it may be short, or empty, and the next one goes on behind it.

local LIMIT, MAX_LIMIT = 20, 100
local MOST_LOOKED_AT = 500

local limit = ARGV[2] and tonumber(ARGV[2]) or not ARGV[2] and LIMIT
if not limit or not (limit >= 1 and limit <= MAX_LIMIT) or limit % 1 ~= 0 then
  godra.error("bad_request", "limit must be a whole number from 1 to " .. MAX_LIMIT)
end

local filter = {}
if ARGV[4] and ARGV[4] ~= "null" then
  local ok, wanted = pcall(cjson.decode, ARGV[4])
  if not ok then godra.error("bad_request", "filter cannot be read: " .. wanted) end
  if type(wanted) ~= "table" then godra.error("bad_request", "filter must be a JSON object") end
  for name in pairs(wanted) do
    if name ~= "labels" and name ~= "free" then godra.error("bad_request", "a filter has labels and free") end
  end
  if wanted.labels ~= nil and type(wanted.labels) ~= "table" then
    godra.error("bad_request", "labels must be a JSON object")
  elseif wanted.free ~= nil and type(wanted.free) ~= "boolean" then
    godra.error("bad_request", "free must be true or false")
  end
  filter = wanted
end
local is_filtered = filter.free or filter.labels and next(filter.labels) ~= nil

local function fits(members, capacity, labels)
  if filter.free and members >= capacity then return false end
  if not filter.labels or next(filter.labels) == nil then return true end
  if not labels then return false end
  local has = cjson.decode(labels)
  for name, value in pairs(filter.labels) do
    if has[name] ~= value then return false end
  end
  return true
end

-- Takes a lobby out of the index, and frees its owner's place for another.
local function forget(id)
  redis.call("ZREM", KEYS[1], id)
  redis.call("HDEL", KEYS[2], id)
  redis.call("ZREM", KEYS[3], id)
  redis.call("HDEL", KEYS[6], id)
  local owner = redis.call("HGET", KEYS[4], id)
  if not owner then return end
  redis.call("HDEL", KEYS[4], id)
  redis.call("ZREM", KEYS[7], owner .. "\n" .. id)
  if redis.call("HINCRBY", KEYS[5], owner, -1) <= 0 then redis.call("HDEL", KEYS[5], owner) end
end

-- Lobbies that have come to their end leave the index, so that pages hold those that are there.
local MOST_ENDED = 200
local ended = redis.call("ZRANGEBYSCORE", KEYS[3], "-inf", godra.now, "LIMIT", 0, MOST_ENDED)
for i = 1, #ended do forget(ended[i]) end

-- A cursor is created_at:id of the last lobby seen; should that be gone by now, its time still tells where to go on.
local start = 0
if ARGV[3] and ARGV[3] ~= "null" then
  local created_at, id = string.match(ARGV[3], "^(%d+):([%w_~-]+)$")
  if not id then
    godra.error("bad_request", "cursor must be what the page before ended with")
  end
  local rank = redis.call("ZREVRANK", KEYS[1], id)
  start = rank and rank + 1 or redis.call("ZCOUNT", KEYS[1], "(" .. created_at, "+inf")
end

local most = is_filtered and MOST_LOOKED_AT or limit
local page = redis.call("ZREVRANGE", KEYS[1], start, start + most - 1, "WITHSCORES")
local lobbies, cursor, is_end = {}, cjson.null, #page < 2 * most
for i = 1, #page, 2 do
  if #lobbies == limit then
    is_end = false
    break
  end
  local id, created_at = page[i], page[i + 1]
  local info = redis.call("HGET", KEYS[2], id) or ""
  local members, capacity, expires_at = string.match(info, "^(%d+),(%d+),(%d+)$")
  members, capacity, expires_at = tonumber(members), tonumber(capacity), tonumber(expires_at or 1)
  if expires_at ~= 0 and expires_at <= godra.now then
    forget(id)
  else
    local labels = redis.call("HGET", KEYS[6], id) or nil
    if fits(members, capacity, labels) then
      lobbies[#lobbies + 1] = string.format('{"id":%s,"members":%d,"capacity":%d,"created_at":%.0f%s}',
        cjson.encode("game:" .. id), members, capacity, tonumber(created_at), labels and ',"labels":' .. labels or "")
    end
  end
  cursor = created_at .. ":" .. id
end
if is_end then cursor = cjson.null end

return '{"lobbies":[' .. table.concat(lobbies, ",") .. '],"cursor":' .. cjson.encode(cursor) .. "}"
