-- Archives a season that is over, in the document season/NAME, which everyone may read; `start_season` sets the timer for it.
--
-- ROLE: server
-- DATA: season/{arg:name} everyone
-- KEYS: rankings, rankings:members, seasons
-- ARGV: "", {board, name}
-- The document: {name, board, started_at, ended_at, players, entries: [{rank, user_id, username, score}, …]} of the first 500 (of a
--   score of more than 14 digits the first 14)

local seasons = require("seasons")

local MOST = 1e15
local ENTRIES = 500
local MAX_BYTES = 240000

local over = cjson.decode(ARGV[2])
local board, name = over.board, over.name
local season = seasons.of(KEYS[3], board)
if not season or season.name ~= name then return end
if godra.now < season.ends_at then return seasons.plan_end(board, season) end

-- How the texts of the sorted set are made is told in add_score.lua.
local ranking = board .. ":" .. season.period .. ":"
local first, behind = "[" .. ranking, "(" .. ranking .. "\255"
local entries, rank, before = godra.array(), 0, nil
for place, member in ipairs(redis.call("ZRANGEBYLEX", KEYS[1], first, behind, "LIMIT", 0, ENTRIES)) do
  local points, user_id = string.sub(member, #ranking + 1, #ranking + 16), string.sub(member, #ranking + 32)
  if points ~= before then rank, before = place, points end
  local username = string.match(redis.call("HGET", KEYS[2], ranking .. user_id) or "", "^-?%d+:%d+:(.*)$")
  entries[place] = { rank = rank, user_id = user_id, username = username or user_id, score = MOST - tonumber(points) }
end
while #cjson.encode(entries) > MAX_BYTES do
  for place = #entries, math.floor(#entries / 2) + 1, -1 do entries[place] = nil end
end

godra.save("season/" .. name, {
  name = name,
  board = board,
  started_at = season.started_at,
  ended_at = season.ends_at,
  players = redis.call("ZLEXCOUNT", KEYS[1], first, behind),
  entries = entries,
})
redis.call("HDEL", KEYS[3], board)
godra.tell(nil, "reset_rankings", {})
