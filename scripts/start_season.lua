-- Begins a board's season, or moves the end of the one that is there; for managers. Until then each score that add_score notes for
-- the board counts for the season, too, and `ranking` shows it as the period "season". At its end it is archived as the document
-- season/NAME.
--
-- ROLE: manager
-- DATA: season/{arg:name}
-- KEYS: seasons, seasons:count
-- ARGV: user_id, {name, board, ends_at}
--   name      1 to 64 of a to z, 0 to 9, _ and -, which no season has had
--   board     a board as of add_score
--   ends_at   when it ends, in ms since 1970
-- Returns OK. Errors: conflict (another season of the board is not archived, or the name was used before).

local seasons = require("seasons")

local name, board, ends_at = godra.payload.name, godra.payload.board, godra.payload.ends_at
local function is_name(text, most)
  return type(text) == "string" and #text <= most and string.find(text, "^[a-z0-9_-]+$")
end
if not is_name(name, 64) then
  godra.error("bad_request", "name must be 1 to 64 of a-z, 0-9, _ and -")
elseif not is_name(board, 32) then
  godra.error("bad_request", "board must be 1 to 32 of a-z, 0-9, _ and -")
elseif type(ends_at) ~= "number" or ends_at % 1 ~= 0 or ends_at <= godra.now or ends_at > godra.now + 10 * 366 * 86400000 then
  godra.error("bad_request", "ends_at must be a time to come, in ms since 1970, within ten years")
end

local season = seasons.of(KEYS[1], board)
if season and season.name ~= name then
  -- Should its timer have failed, this is another try.
  if season.ends_at <= godra.now then seasons.plan_end(board, season) end
  godra.error("conflict", "The board's season " .. season.name .. " is not archived yet", { name = season.name })
end
if not season then
  for _, text in ipairs(redis.call("HVALS", KEYS[1])) do
    if cjson.decode(text).name == name then godra.error("conflict", "Another board has a season of that name") end
  end
  if godra.load("season/" .. name) then godra.error("conflict", "There was a season of that name") end
  season = { name = name, period = "season" .. redis.call("INCR", KEYS[2]), started_at = godra.now }
end
season.ends_at = ends_at
redis.call("HSET", KEYS[1], board, cjson.encode(season))
seasons.plan_end(board, season)
return "OK"
