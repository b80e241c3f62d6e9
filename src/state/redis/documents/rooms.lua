-- Which rooms wait for entries of the outbox, for a node that begins to listen to them.
-- KEYS[1]: what the keys begin with (see program.lua)
-- ARGV[1]: the room; without it all are meant
-- Returns {tag, room, number of the entry, …}.
local call, prefix = redis.call, KEYS[1]
local found = { call("HGET", prefix .. "out_at", "tag") or "" }
if ARGV[1] then
  local number = call("ZSCORE", prefix .. "waits", ARGV[1])
  if number then found[2], found[3] = ARGV[1], tonumber(number) end
  return found
end
local all = call("ZRANGE", prefix .. "waits", 0, -1, "WITHSCORES")
for at = 1, #all, 2 do found[at + 1], found[at + 2] = all[at], tonumber(all[at + 1]) end
return found
