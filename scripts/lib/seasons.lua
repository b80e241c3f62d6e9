-- Seasons of boards: in the hash `seasons` is, by its board, JSON {name, period, started_at, ends_at} of each that is not archived yet.

local seasons = {}

local LONGEST_MS = 30 * 86400000 -- that a timer waits

function seasons.of(key, board)
  local text = redis.call("HGET", key, board)
  return text and cjson.decode(text)
end

-- What ends the season, or sets the timer anew if it comes before the end.
function seasons.plan_end(board, season)
  local left = math.max(season.ends_at - godra.now, 0)
  godra.tell(nil, "end_season", { board = board, name = season.name },
    { after = math.min(left, LONGEST_MS), name = "season:" .. board })
end

return seasons
