-- Notes a player's score in a ranking. Any script may have it noted:
--   godra.tell(nil, "add_score", {board = "arena", user_id = id, username = name, score = 120})
--
-- ROLE: server
-- KEYS: rankings, rankings:members, rankings:reset, rankings:boards, seasons
-- ARGV: "", {board, user_id, username, score, keep?}
--   board      a to z, 0 to 9, _ and -, up to 32 of them
--   score      a whole number, up to 10^15 either way
--   keep       what counts of several: "best" (without it), "sum" or "last"

-- Each board has one ranking for ever, one for each week and day (UTC; weeks begin on Monday), and one for its season, if it
-- has one (see start_season.lua).
local DAY_MS = 86400000
local MOST = 1e15
local MAX_PLAYERS = 100000 -- of one ranking; beyond it who is last makes room
local MAX_BOARDS = 32 -- of one player
local KEEP = { best = true, sum = true, last = true }

local score = cjson.decode(ARGV[2])
local board, user_id, username = score.board, score.user_id, score.username
local points, keep = score.score, score.keep or "best"
if type(board) ~= "string" or #board > 32 or not string.find(board, "^[a-z0-9_-]+$") then
  godra.error("bad_request", "board must be 1 to 32 of a-z, 0-9, _ and -")
elseif type(user_id) ~= "string" or user_id == "" or #user_id > 64 then
  godra.error("bad_request", "user_id must be a user's id, a text")
elseif type(username) ~= "string" or #username > 256 then
  godra.error("bad_request", "username must be a text")
elseif type(points) ~= "number" or points % 1 ~= 0 or points > MOST or points < -MOST then
  godra.error("bad_request", "score must be a whole number from -10^15 to 10^15")
elseif not KEEP[keep] then
  godra.error("bad_request", "keep must be best, sum or last")
end

-- All rankings are in one sorted set of equal scores, and so in the order of its texts:
--   board : period : 10^15 - score : when it was reached : user_id
-- The best comes first, and of several who have as many, who had them first.
local function place(ranking, points, at, user_id)
  return ranking .. string.format("%016.0f:%013.0f:", MOST - points, at) .. user_id
end

-- The last one of a ranking that is full goes.
local function make_room(ranking)
  local first, behind = "[" .. ranking, "(" .. ranking .. "\255"
  if redis.call("ZLEXCOUNT", KEYS[1], first, behind) < MAX_PLAYERS then return end
  local last = redis.call("ZREVRANGEBYLEX", KEYS[1], behind, first, "LIMIT", 0, 1)[1]
  redis.call("ZREM", KEYS[1], last)
  redis.call("HDEL", KEYS[2], ranking .. string.sub(last, #ranking + 32))
end

local function note(ranking)
  local field = ranking .. user_id
  local known = redis.call("HGET", KEYS[2], field)
  local best, at = points, godra.now
  if known then
    local before, since = string.match(known, "^(-?%d+):(%d+):")
    before = tonumber(before)
    if keep == "sum" then best = math.max(-MOST, math.min(MOST, before + points)) end
    if keep == "best" and before >= points or before == best then best, at = before, tonumber(since) end
    redis.call("ZREM", KEYS[1], place(ranking, before, tonumber(since), user_id))
  else
    make_room(ranking)
  end
  redis.call("ZADD", KEYS[1], 0, place(ranking, best, at, user_id))
  redis.call("HSET", KEYS[2], field, string.format("%.0f:%.0f:", best, at) .. username)
end

-- Which boards somebody is on, for when a guest gets another id.
local boards = redis.call("HGET", KEYS[4], user_id) or ","
if not string.find(boards, "," .. board .. ",", 1, true) then
  if select(2, string.gsub(boards, ",", "")) > MAX_BOARDS then
    godra.error("conflict", "a player is on up to " .. MAX_BOARDS .. " boards")
  end
  redis.call("HSET", KEYS[4], user_id, boards .. board .. ",")
end

local day = math.floor(godra.now / DAY_MS)
local week = math.floor((day + 3) / 7)
note(board .. ":all:")
note(board .. ":week" .. week .. ":")
note(board .. ":day" .. day .. ":")
local season = require("seasons").of(KEYS[5], board)
if season and godra.now < season.ends_at then note(board .. ":" .. season.period .. ":") end

-- What has ended goes when the next day begins.
if not redis.call("GET", KEYS[3]) then
  local ends_at = (day + 1) * DAY_MS
  redis.call("SET", KEYS[3], ends_at)
  godra.tell(nil, "reset_rankings", {}, { after = ends_at - godra.now, name = "reset_rankings" })
end
