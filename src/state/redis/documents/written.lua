-- How far the outbox is written, for a node that holds something back until then.
-- KEYS[1]: what the keys begin with (see program.lua)
-- ARGV[1]: the lowest number of an entry that the node waits for
-- Returns {tag, the last number that is written, {number of an entry from there on that the database has refused, …}}.
local call, prefix = redis.call, KEYS[1]
local at = call("HMGET", prefix .. "out_at", "tag", "written")
local lost = call("ZRANGEBYSCORE", prefix .. "lost", ARGV[1], "+inf")
for index = 1, #lost do lost[index] = tonumber(lost[index]) end
return { at[1] or "", tonumber(at[2] or 0), lost }
