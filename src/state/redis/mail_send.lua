-- From a store to another: takes messages to rooms that live there into the outbox, and tells what is next in it. Numbers begin at 1, and
-- no message has two: so whoever sends the same again does no harm (see mail_receive.lua).
-- In front of this comes mail_clock.lua. KEYS: what the keys of messages begin with, the store's name, the outbox (a list of msgpack of {number, room, when it was due,
-- script, sending room, payload}), its last number
-- ARGV: up to which number all have arrived; how many the outbox may hold, and how many are told; then rooms, each with how many
-- messages follow, and these as "id due script"
-- Returns {the store's name, how many were taken into the outbox, message, …}.
local call, mail, outbox = redis.call, KEYS[1], KEYS[3]
local unpack = table.unpack or unpack
local MOST_BYTES = 262144
local name = call("GET", KEYS[2])
if not name then return { "", 0 } end

local arrived = tonumber(ARGV[1])
local head = call("LINDEX", outbox, 0)
local first = head and cmsgpack.unpack(head)[1]
if first and arrived >= first then call("LTRIM", outbox, arrived - first + 1, -1) end

-- What has deleted something may write, however full the store is: nothing is added here.
call("DEL", mail .. "nothing")
local time = call("TIME")
local now = read_mail_clock(mail, time[1] * 1000 + math.floor(time[2] / 1000))
local LINE, TIMERS = mail .. "line", mail .. "timers"

local function move(room, entry)
  if call("ZREM", mail .. "now:" .. room, entry) + call("ZREM", mail .. "due:" .. room, entry) == 0 then return 0 end
  local id = string.match(entry, "^%d+")
  local script, due, sender, named, payload = unpack(cmsgpack.unpack(call("HGET", mail .. "bodies", id)))
  call("HDEL", mail .. "bodies", id)
  local names = named and mail .. "name:" .. sender .. ":" .. named
  if names and call("HGET", names, room) == id then call("HDEL", names, room) end
  call("RPUSH", outbox, cmsgpack.pack({ call("INCR", KEYS[4]), room, due, script, sender, payload }))
  return 1
end

local function settle(room)
  local timer = call("ZRANGE", mail .. "due:" .. room, 0, 0, "WITHSCORES")[2]
  if call("ZCARD", mail .. "now:" .. room) == 0 and not (timer and tonumber(timer) <= now) then call("ZREM", LINE, room) end
  if timer then call("ZADD", TIMERS, timer, room) else call("ZREM", TIMERS, room) end
end

local moved, at, left = 0, 4, tonumber(ARGV[2]) - call("LLEN", outbox)
while ARGV[at] do
  local room, count = ARGV[at], tonumber(ARGV[at + 1])
  for index = at + 2, at + 1 + count do
    if moved < left then moved = moved + move(room, ARGV[index]) end
  end
  settle(room)
  at = at + 2 + count
end

local found, bytes = { name, moved }, 0
for _, message in ipairs(call("LRANGE", outbox, 0, ARGV[3] - 1)) do
  bytes = bytes + #message
  if bytes > MOST_BYTES and #found > 2 then break end
  found[#found + 1] = message
end
return found
