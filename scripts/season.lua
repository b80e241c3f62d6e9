-- Shows how a season has ended.
--
-- ROLE: guest
-- DATA: season/{arg:name}
-- ARGV: user_id, {name}
-- Returns JSON text: {name, board, started_at, ended_at, players, entries: [{rank, user_id, username, score}, …], me: the caller's
--   entry, if it is among them}. Error: not_found, also while the season lasts: see ranking.lua then.

local name = godra.payload.name
if type(name) ~= "string" then godra.error("bad_request", "name must be a text") end
local season = godra.load("season/" .. name)
if not season then godra.error("not_found", "There is no archive of that season") end
for _, entry in ipairs(season.entries) do
  if entry.user_id == godra.user.id then season.me = entry end
end
season.entries = godra.array(season.entries)
return cjson.encode(season)
