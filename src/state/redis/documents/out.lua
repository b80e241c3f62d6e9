-- The outbox on its way to the database, by one node at a time: what it has written leaves the outbox, and it gets what is next.
-- KEYS[1]: what the keys begin with (see program.lua); of these "writer" is the node that writes, as long as it says so
-- ARGV: the node; for how many milliseconds it writes (0: it writes no more); how many entries it takes at most, and how many bytes;
-- and msgpack of what it has done: tag, number and total of the last entry that it has written (or 0), {name, number, version, …} of what
-- that had, names that the database has refused, names that it knows to be let go, homes that are given up, numbers of
-- the entries that had what the database has refused: whoever waits for these gets to know it, within ten minutes
-- Returns {0} if another node writes, else {1, home, tag, entries in the outbox, their bytes, {entry, …}, {name that is leaving, …},
-- {home to be given up, …}}; an entry is {number, home, total, {name, base, version, owner, schema, updated, value, …}}.
local call, prefix = redis.call, KEYS[1]
local unpack = table.unpack or unpack
local writer = call("GET", prefix .. "writer")
if writer and writer ~= ARGV[1] then return { 0 } end
call("DEL", prefix .. "nothing")
if ARGV[2] == "0" then
  call("DEL", prefix .. "writer")
else
  call("SET", prefix .. "writer", ARGV[1], "PX", ARGV[2])
end
local OUT, OUT_AT = prefix .. "out", prefix .. "out_at"
local time = call("TIME")
local now = string.format("%.0f", time[1] * 1000 + math.floor(time[2] / 1000))
local home = call("HGET", prefix .. "home", "id") or ""
local tag, number, total, saves, lost, gone, given_up, lost_entries = unpack(cmsgpack.unpack(ARGV[5]))
local at = call("HMGET", OUT_AT, "tag", "total", "written", "written_total")

-- A fetch that is under way may bring what was before this save, or before the database has refused it: then it is fetched anew, whichever
-- version the database has.
local function note_clean(name, of, version, is_lost)
  if call("HGET", prefix .. "dirty", name) ~= string.format("%.0f", of) then return end
  call("HDEL", prefix .. "dirty", name)
  local key = prefix .. "doc:" .. name
  if call("EXISTS", key) == 0 then
    local last = is_lost and "0 " .. now or string.format("%.0f 0", version)
    call("SET", prefix .. "gone:" .. name, last, "EX", 60)
  end
end

-- What waits for the entries up to this one may go on, but calls that waited for those that are lost.
local function let_go(last)
  for index = 1, #lost_entries do
    local of = string.format("%.0f", lost_entries[index])
    call("ZADD", prefix .. "lost", of, of)
  end
  if #lost_entries > 0 then
    call("EXPIRE", prefix .. "lost", 600)
    local over = call("ZCARD", prefix .. "lost") - 10000
    if over > 0 then call("ZREM", prefix .. "lost", unpack(call("ZRANGE", prefix .. "lost", 0, over - 1))) end
  end
  repeat
    local rooms = call("ZRANGEBYSCORE", prefix .. "waits", "-inf", last, "LIMIT", 0, 1000)
    if #rooms > 0 then call("ZREM", prefix .. "waits", unpack(rooms)) end
  until #rooms < 1000
end

if tag == at[1] and number > tonumber(at[3] or 0) then
  local oldest = call("LINDEX", OUT, 0)
  local first = oldest and cmsgpack.unpack(oldest)[1]
  if first and number >= first then call("LTRIM", OUT, number - first + 1, -1) end
  at[4] = string.format("%.0f", total)
  call("HSET", OUT_AT, "written", string.format("%.0f", number), "written_total", at[4])
  let_go(string.format("%.0f", number))
  local are_lost = {}
  for index = 1, #lost do
    call("DEL", prefix .. "doc:" .. lost[index])
    are_lost[lost[index]] = true
  end
  for index = 1, #saves, 3 do
    note_clean(saves[index], saves[index + 1], saves[index + 2], are_lost[saves[index]])
  end
end
for index = 1, #gone do
  local version = call("HGET", prefix .. "leaving", gone[index])
  if version then
    call("SET", prefix .. "gone:" .. gone[index], version .. " " .. now, "EX", 60)
    call("HDEL", prefix .. "leaving", gone[index])
  end
end
for index = 1, #given_up do call("SREM", prefix .. "old", given_up[index]) end

local entries, bytes = {}, 0
for index = 0, ARGV[3] - 1 do
  local packed = call("LINDEX", OUT, index)
  if not packed then break end
  local entry = cmsgpack.unpack(packed)
  bytes = bytes + #packed
  if #entries > 0 and (bytes > tonumber(ARGV[4]) or entry[2] ~= entries[1][2]) then break end
  entries[#entries + 1] = entry
end
-- Nothing is left of what was saved before in other homes.
local head = call("LINDEX", OUT, 0)
local is_done = not head or cmsgpack.unpack(head)[2] == home
local old = is_done and call("SMEMBERS", prefix .. "old") or {}
local leaving = call("HLEN", prefix .. "leaving") > 0 and call("HKEYS", prefix .. "leaving") or {}
return { 1, home, at[1] or "", call("LLEN", OUT), tonumber(at[2] or 0) - tonumber(at[4] or 0), entries, leaving, old }
