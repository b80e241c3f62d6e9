-- Takes the rankings of days, weeks and seasons that are over out of the store; `add_score` sets the timer for it.
--
-- ROLE: server
-- KEYS: rankings, rankings:members, rankings:reset, seasons

local DAY_MS = 86400000
local AT_ONCE = 500 -- entries of one call, so that nobody has to wait for many

local day = math.floor(godra.now / DAY_MS)
local current = { all = true, ["week" .. math.floor((day + 3) / 7)] = true, ["day" .. day] = true }
for _, season in ipairs(redis.call("HVALS", KEYS[4])) do current[cjson.decode(season).period] = true end

-- From one ranking to the next, without a look at what is between.
local from, removed, is_any_left = "-", 0, false
while removed < AT_ONCE do
  local first = redis.call("ZRANGEBYLEX", KEYS[1], from, "+", "LIMIT", 0, 1)[1]
  if not first then break end
  local board, period = string.match(first, "^([a-z0-9_-]+):([a-z0-9]+):")
  local ranking = board .. ":" .. period .. ":"
  if current[period] then
    is_any_left = is_any_left or period ~= "all"
  else
    local ended = redis.call("ZRANGEBYLEX", KEYS[1], "[" .. ranking, "(" .. ranking .. "\255", "LIMIT", 0, AT_ONCE - removed)
    for i = 1, #ended do
      redis.call("ZREM", KEYS[1], ended[i])
      redis.call("HDEL", KEYS[2], ranking .. string.sub(ended[i], #ranking + 32))
    end
    removed = removed + #ended
  end
  from = "(" .. ranking .. "\255"
end

if removed >= AT_ONCE then
  godra.tell(nil, "reset_rankings", {})
elseif is_any_left then
  local ends_at = (day + 1) * DAY_MS
  redis.call("SET", KEYS[3], ends_at)
  godra.tell(nil, "reset_rankings", {}, { after = ends_at - godra.now, name = "reset_rankings" })
else
  redis.call("DEL", KEYS[3])
end
