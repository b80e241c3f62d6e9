-- Which home of documents the store is. It is another one once its data may have gone back in time, or others may have had its
-- documents: when it has no home, when it was started again (what it keeps may be older than what the database has), and when no node was
-- there for so long. What waits in the outbox is written as of the home that it was saved in, and then that one is given up (see
-- out.lua).
-- KEYS[1]: what the keys begin with (see program.lua), of which also "old" is one: the set of homes that are not given up yet
-- ARGV: an id that no home has, the one that the node knows or "", after how many milliseconds nobody was there, whether the
-- connection is new (1): the store is not started again while one lasts
-- Returns {the home, the store's time in milliseconds, whether the home that the node knows is among the old ones (1), whether it shows
-- that the store was started again (1)}.
local call, prefix = redis.call, KEYS[1]
local home = prefix .. "home"
local time = call("TIME")
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local known = call("HMGET", home, "id", "run", "seen")
local id, run = known[1], known[2]
if ARGV[4] == "1" or not id then
  -- A user may lack the right to it.
  local info = redis.pcall("INFO", "server")
  run = type(info) == "string" and string.match(info, "run_id:(%w+)") or ""
end
-- What has deleted something may write, however full the store is.
call("DEL", prefix .. "nothing")
if id and (known[2] ~= run or now - tonumber(known[3] or 0) > tonumber(ARGV[3])) then
  call("SADD", prefix .. "old", id)
  id = nil
end
if not id then
  id = ARGV[1]
  call("HSET", home, "id", id, "run", run)
  call("HSET", prefix .. "out_at", "tag", id)
end
call("HSET", home, "seen", string.format("%.0f", now))
return { id, now, call("SMISMEMBER", prefix .. "old", ARGV[2])[1], run ~= "" and 1 or 0 }
