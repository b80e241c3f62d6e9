-- Messages that another store has sent. What is kept of those that have arrived is the highest number, so that none is taken twice.
-- KEYS: what the keys of messages begin with; ARGV: the other store's name, how many a room and how many all may have, and messages
-- out of its outbox (see mail_send.lua), in order.
-- Returns up to which number all have arrived; 0 if none of these has.
local call, mail = redis.call, KEYS[1]
local unpack = table.unpack or unpack
local ARRIVED, SEQ = mail .. "arrived", mail .. "seq"
local arrived = tonumber(call("HGET", ARRIVED, ARGV[1]) or 0)
local first = cmsgpack.unpack(ARGV[4])[1]
local most, left = tonumber(ARGV[2]), tonumber(ARGV[3]) - call("HLEN", mail .. "bodies")
-- A store that is full takes none: they wait where they are.
local last_id = redis.pcall("INCR", SEQ)
if type(last_id) == "table" then return arrived >= first and arrived or 0 end
if last_id < 1e15 then
  local time = call("TIME")
  call("INCRBY", SEQ, time[1] .. "000000")
end

for index = 4, #ARGV do
  local number, room, due, script, sender, payload = unpack(cmsgpack.unpack(ARGV[index]))
  if number > arrived then
    -- Those behind it wait, too: they are in order.
    if call("ZCARD", mail .. "now:" .. room) + call("ZCARD", mail .. "due:" .. room) >= most or left <= 0 then break end
    left = left - 1
    local id = string.format("%016.0f", call("INCR", SEQ))
    call("HSET", mail .. "bodies", id, cmsgpack.pack({ script, due, sender, false, payload }))
    call("ZADD", mail .. "now:" .. room, id, id .. " " .. due .. " " .. script)
    call("ZADD", mail .. "line", "NX", id, room)
    arrived = number
  end
end
call("HSET", ARRIVED, ARGV[1], string.format("%.0f", arrived))
return arrived >= first and arrived or 0
