-- Shows a ranking: from the top, from where the page before ended, or around the caller.
--
-- ROLE: guest
-- KEYS: rankings, rankings:members, seasons
-- ARGV: user_id, board, options?
--   options   a JSON object: period ("all", without it; "week", "day", "season"), limit (1 to 100; 10), around (true: the caller in the
--             middle), cursor (what the page before ended with)
-- Returns JSON text: {board, period, ends_at (ms, or null), players, entries: [{rank, user_id, username, score}, …],
--   me: the caller's entry or null, cursor: text, or null at the end}
-- Error: not_found, of a season where none is.
-- Who has as many points has the same rank; the next one has as many ranks less as there are before it.

local DAY_MS = 86400000
local MOST = 1e15
local LIMIT, MAX_LIMIT = 10, 100

local board = ARGV[2]
if not board or #board > 32 or not string.find(board, "^[a-z0-9_-]+$") then
  godra.error("bad_request", "board must be 1 to 32 of a-z, 0-9, _ and -")
end
local options = {}
if ARGV[3] then
  local ok, wanted = pcall(cjson.decode, ARGV[3])
  if not ok or type(wanted) ~= "table" then godra.error("bad_request", "options must be a JSON object") end
  options = wanted
end

local day = math.floor(godra.now / DAY_MS)
local week = math.floor((day + 3) / 7)
local periods = {
  all = { name = "all" },
  week = { name = "week" .. week, ends_at = (week * 7 + 4) * DAY_MS },
  day = { name = "day" .. day, ends_at = (day + 1) * DAY_MS },
}
if options.period == "season" then
  local season = require("seasons").of(KEYS[3], board)
  if not season then godra.error("not_found", "This board has no season now") end
  periods.season = { name = season.period, ends_at = season.ends_at }
end
local period = periods[options.period or "all"]
local limit = options.limit or LIMIT
if not period then
  godra.error("bad_request", "period must be all, week, day or season")
elseif type(limit) ~= "number" or not (limit >= 1 and limit <= MAX_LIMIT) or limit % 1 ~= 0 then
  godra.error("bad_request", "limit must be a whole number from 1 to " .. MAX_LIMIT)
end

-- How the texts of the sorted set are made is told in add_score.lua.
local ranking = board .. ":" .. period.name .. ":"
local first, behind = "[" .. ranking, "(" .. ranking .. "\255"

local function rank(member)
  local points = string.sub(member, #ranking + 1, #ranking + 17)
  return redis.call("ZLEXCOUNT", KEYS[1], first, "(" .. ranking .. points) + 1
end

local function entry(member, rank)
  local user_id = string.sub(member, #ranking + 32)
  local points = MOST - tonumber(string.sub(member, #ranking + 1, #ranking + 16))
  local username = string.match(redis.call("HGET", KEYS[2], ranking .. user_id) or "", "^-?%d+:%d+:(.*)$")
  return string.format('{"rank":%d,"user_id":%s,"username":%s,"score":%.0f}',
    rank, cjson.encode(user_id), cjson.encode(username or user_id), points)
end

local mine
local known = redis.call("HGET", KEYS[2], ranking .. ARGV[1])
if known then
  local points, at = string.match(known, "^(-?%d+):(%d+):")
  mine = ranking .. string.format("%016.0f:%013.0f:", MOST - tonumber(points), tonumber(at)) .. ARGV[1]
end

local from = first
if options.cursor and options.cursor ~= cjson.null then
  local cursor = options.cursor
  if type(cursor) ~= "string" or not string.find(cursor, "^%d+:%d+:") or #cursor > 128 then
    godra.error("bad_request", "cursor must be what the page before ended with")
  end
  from = "(" .. ranking .. cursor
elseif options.around == true and mine then
  local before = redis.call("ZREVRANGEBYLEX", KEYS[1], "(" .. mine, first, "LIMIT", 0, math.floor((limit - 1) / 2))
  from = "[" .. (before[#before] or mine)
end

local page = redis.call("ZRANGEBYLEX", KEYS[1], from, behind, "LIMIT", 0, limit + 1)
local before = page[1] and redis.call("ZLEXCOUNT", KEYS[1], first, "(" .. page[1])
local entries = {}
local place, points
for i = 1, math.min(#page, limit) do
  local these = string.sub(page[i], #ranking + 1, #ranking + 16)
  if these ~= points then place, points = i == 1 and rank(page[1]) or before + i, these end
  entries[i] = entry(page[i], place)
end
local cursor = #page > limit and cjson.encode(string.sub(page[limit], #ranking + 1)) or "null"

return string.format('{"board":%s,"period":"%s","ends_at":%s,"players":%d,"entries":[%s],"me":%s,"cursor":%s}',
  cjson.encode(board), options.period or "all", period.ends_at and string.format("%.0f", period.ends_at) or "null",
  redis.call("ZLEXCOUNT", KEYS[1], first, behind), table.concat(entries, ","),
  mine and entry(mine, rank(mine)) or "null", cursor)
