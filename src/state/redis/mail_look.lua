-- What is due of messages and timers; mail.lua says how they are kept. Nothing is taken: that is for the calls that run them.
-- KEYS[1]: what the names of the keys begin with; ARGV: how many rooms are looked at, how many messages are listed in all, and how
-- many of a room may run in a round; how many timers are few (see below); then rooms in which something was due, and when, as what
-- was told of them has not run.
-- In front of this comes mail_clock.lua. Returns {the time, until when nothing more is due (milliseconds; -1: nothing is pending), how many are pending,
-- room, {"id due script", …}, room, {…}, …}.
local call, mail = redis.call, KEYS[1]
local LINE, TIMERS, HELD, SEQ, CLOCK = mail .. "line", mail .. "timers", mail .. "held", mail .. "seq", mail .. "clock"
local time = call("TIME")
local store_now = time[1] * 1000 + math.floor(time[2] / 1000)
local now, seen, ahead = read_mail_clock(mail, store_now)
local pending = call("HLEN", mail .. "bodies")
if pending == 0 then
  call("DEL", LINE, TIMERS, HELD, CLOCK)
  return { now, -1, 0 }
end
local rooms, left, of_round = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
-- What has deleted something may write, however full the store is.
call("DEL", mail .. "nothing")

-- What is less is waited for. What is seen is noted now and then.
local SET_BACK_MS, SEEN_EVERY_MS = 1000, 250
if store_now + ahead < seen - SET_BACK_MS then
  call("HSET", CLOCK, "ahead", string.format("%.0f", seen - store_now))
elseif now >= seen + SEEN_EVERY_MS then
  call("HSET", CLOCK, "seen", string.format("%.0f", now))
end

for index = 5, #ARGV, 2 do call("ZADD", TIMERS, ARGV[index + 1], ARGV[index]) end

local wait = -1
local function is_due_in(ms)
  if wait < 0 or ms < wait then wait = ms end
end

-- The first time in a sorted set that is still to come.
local function first_behind(times) return call("ZRANGEBYSCORE", times, "(" .. now, "+inf", "WITHSCORES", "LIMIT", 0, 1)[2] end

-- Rooms take turns: who has been looked at goes to the end.
local function line_up(room) call("ZADD", LINE, call("INCR", SEQ), room) end

-- Rooms that are held show nothing; when that is over, they stand in the line, as they may have messages beside timers.
local has_held = call("EXISTS", HELD) == 1
if has_held then
  local over = call("ZRANGEBYSCORE", HELD, "-inf", now, "LIMIT", 0, rooms)
  for _, room in ipairs(over) do
    call("ZREM", HELD, room)
    line_up(room)
  end
  if #over >= rooms then is_due_in(0) end
  local next_over = first_behind(HELD)
  if next_over then is_due_in(tonumber(next_over) - now) end
end
local function is_held(room) return has_held and call("ZSCORE", HELD, room) end

-- A room that has no more due than a few timers need not stand in the line. Where it is in the sorted set is set anew by the call that
-- runs them; should that never come, they are found again a while later.
local FEW, AGAIN_MS = tonumber(ARGV[4]), 1000
local has_line = call("EXISTS", LINE) == 1
local found, again = { now, wait, pending }, {}
for _, room in ipairs(call("ZRANGEBYSCORE", TIMERS, "-inf", now, "LIMIT", 0, rooms)) do
  local timers = call("ZRANGEBYSCORE", mail .. "due:" .. room, "-inf", now, "LIMIT", 0, FEW + 1)
  local is_lined = has_line and call("ZSCORE", LINE, room)
  if is_held(room) then
    call("ZREM", TIMERS, room)
  elseif is_lined or #timers == 0 or #timers > math.min(FEW, left) then
    if not is_lined then line_up(room) end
    call("ZREM", TIMERS, room)
  else
    again[#again + 1] = now + AGAIN_MS
    again[#again + 1] = room
    left = left - #timers
    found[#found + 1] = room
    found[#found + 1] = timers
  end
end

-- Dragonfly runs Lua 5.4.
local unpack = table.unpack or unpack
if #again > 0 then call("ZADD", TIMERS, unpack(again)) end

local function due_of(entry) return tonumber(string.match(entry, "^%d+ (%d+)")) end

-- So many of a room's, in the order in which they were due.
local function due_in(room, most)
  local messages = call("ZRANGE", mail .. "now:" .. room, 0, most - 1)
  local timers = call("ZRANGEBYSCORE", mail .. "due:" .. room, "-inf", now, "LIMIT", 0, most)
  if #timers == 0 then return messages end
  local found, at_message, at_timer = {}, 1, 1
  while #found < most do
    local message, timer = messages[at_message], timers[at_timer]
    if not message and not timer then break end
    local is_message = message and (not timer or due_of(message) < due_of(timer)
      or due_of(message) == due_of(timer) and message < timer)
    found[#found + 1] = is_message and message or timer
    if is_message then at_message = at_message + 1 else at_timer = at_timer + 1 end
  end
  return found
end

local line = call("ZRANGE", LINE, 0, rooms - 1)
for _, room in ipairs(line) do
  if left <= 0 then
    is_due_in(0)
    break
  end
  local is_waiting = is_held(room)
  local share = is_waiting and 0 or math.min(left, of_round - tonumber(call("GET", mail .. "ran:" .. room) or 0))
  local entries = share > 0 and due_in(room, share) or {}
  if is_waiting then
    call("ZREM", LINE, room)
  elseif share <= 0 then
    line_up(room)
    is_due_in(math.max(1, call("PTTL", mail .. "ran:" .. room)))
  elseif #entries == 0 then
    call("ZREM", LINE, room)
  else
    line_up(room)
    left = left - #entries
    found[#found + 1] = room
    found[#found + 1] = entries
  end
  -- For those that are due, the room stands in the line.
  local next_timer = not is_waiting and first_behind(mail .. "due:" .. room)
  if next_timer then call("ZADD", TIMERS, next_timer, room) end
end
if call("ZCARD", LINE) > #line then is_due_in(0) end
local next_timer = first_behind(TIMERS)
if next_timer then is_due_in(tonumber(next_timer) - now) end
found[2] = wait
return found
