-- Messages and timers of scripts: what they tell, and what of that is taken once it is due. This is part of a program only if one
-- of its scripts may tell something, or is run by messages. In front of this come get_mail_bounds(), which gives { call, pending,
-- in_all, payload, name, after, round_ms, stores (their addresses if there are several, this one's first), waiting (in the outbox to one of
-- the others), waiting_text }, get_mail_texts(), which gives what refusals say, make_home (see home.lua), and MAIL_SCRIPTS: the names of all scripts, each between a space and a colon, behind which stands 0 (not for
-- messages), 1, or 2 (its keys need a room).
-- Behind OWN_KEYS .. "mail:" (a ROOM is "" for no room):
--   seq          the last message's id, 16 digits. Ids begin with the time, so that none comes again in a store that lost its data
--   bodies       hash: id -> msgpack of { script, when it is due, sender, name or false, payload }; a script of another game than
--                the default one has "GAME~" in front of its name, and the sender is a room, or that, or "", where there is no room
--   now:ROOM     sorted set of a room's messages without `after`, "id due script", by their ids: so their order is that of the
--                calls, whatever becomes of the clock
--   due:ROOM     the same of its timers, by when they are due
--   line         sorted set of the rooms in which something is due, in turn
--   timers       sorted set of rooms by when their first timer is due. Here and in the line a room may stand too early: a look
--                (see mail_look.lua) finds that out
--   held         sorted set of rooms that no look shows before a time, as their messages wait for documents (see mail_hold.lua)
--   name:SENDER:NAME   hash: receiver -> id of what the sender has pending there under that name
--   clock        what time it is for all this: see mail_clock.lua, which stands in front of this, too
--   ran:ROOM     how many messages have run in the room in this round
-- The tools: room, rooms (how many there are in the bundle: 1 if it is none), now, keep, game() ("GAME~" of the running script, or ""), own_id(room as it says it), number() (of the running call), is_full (whether nothing may be told), is_too_deep(text).
local function make_mail(tools)
  local mail, BOUNDS = {}, get_mail_bounds()
  local room, now, keep, call = tools.room, tools.now, tools.keep, redis.call
  local unpack = table.unpack or unpack

  local function key(name) return OWN_KEYS .. "mail:" .. name end
  local function sender() return room == "" and tools.game() or room end
  local function name_key(sender, name) return key("name:" .. sender .. ":" .. name) end
  local SEQ, BODIES, LINE, TIMERS = key("seq"), key("bodies"), key("line"), key("timers")

  -- How to undo what the running call has told and cancelled, and which call that is.
  local steps, call_number, told = {}, nil, 0
  -- How much is pending for a room, and whether it stands in the line.
  local counts, is_lined = {}, {}
  -- The message that the running call was made for: it is taken when that ends, and until then as good as gone.
  local current
  local taken = 0
  -- Bodies that were read ahead, by ids.
  local bodies = {}
  -- Where rooms of a bundle stand among the timers until that is written: when the first is due, false if there is none.
  local standing = {}
  -- What time it is for timers.
  local timer_time
  local function timer_now()
    timer_time = timer_time or (read_mail_clock(OWN_KEYS .. "mail:", now))
    return timer_time
  end
  -- How much is pending in all rooms, at most, and whether no room stands in the line; nil if it is not known.
  local all, is_line_empty
  -- More than these are counted in any case, and these if more are due: so that few timers cost less. A look has the same bound for
  -- rooms that do not stand in the line.
  local FEW = 8
  local were_timers = true

  local function is_due_in(ms)
    if not mail.wait or ms < mail.wait then mail.wait = ms end
  end

  local function begin_call()
    if call_number ~= tools.number() then steps, call_number, told = {}, tools.number(), 0 end
  end

  -- A bundle takes about as many as it needs at once; what is left of them is nobody's.
  local id, last_id = 0, 0
  local function next_id()
    if id == last_id then
      last_id = call("INCRBY", SEQ, tools.rooms)
      if last_id < 1e15 then last_id = call("INCRBY", SEQ, string.format("%.0f000", now)) end
      id = last_id - tools.rooms
    end
    id = id + 1
    return string.format("%016.0f", id)
  end

  -- How many messages without `after` are pending for a room, and how many timers.
  local function counts_of(to)
    local known = counts[to]
    if not known then
      known = { call("ZCARD", key("now:" .. to)), call("ZCARD", key("due:" .. to)) }
      counts[to] = known
    end
    return known
  end

  local function count(message, change)
    local known, place = counts[message.to], message.is_timer and 2 or 1
    if known then known[place] = known[place] + change end
  end

  -- Which refusal is due as a room has as much pending as it may, or all have; none has while all together do not.
  local function full_of(to)
    all = all or call("HLEN", BODIES)
    if all < BOUNDS.pending then return nil end
    -- What runs now makes place for what it tells.
    if all - (current and 1 or 0) >= BOUNDS.in_all then return "too_many_in_all" end
    local pending = counts_of(to)
    return pending[1] + pending[2] >= BOUNDS.pending and "too_many_pending" or nil
  end

  -- A timer of a room is due then: whoever looks must find the room in time.
  local function stand_by(to, due)
    local first = standing[to]
    if first == nil then
      first = call("ZSCORE", TIMERS, to)
      if not first or tonumber(first) > tonumber(due) then call("ZADD", TIMERS, due, to) end
    elseif not first or tonumber(first) > tonumber(due) then
      standing[to] = due
    end
  end

  -- Puts a message where it belongs. Whoever looks for what is due must find the room, so it is put there, too.
  local function put(message)
    local to, id = message.to, message.id
    call("HSET", BODIES, id, message.body)
    all = all and all + 1
    count(message, 1)
    if message.is_timer then
      call("ZADD", key("due:" .. to), message.due, message.entry)
      -- In a room whose messages run, that is done at the end.
      if to ~= room or not current and taken == 0 then stand_by(to, message.due) end
    else
      call("ZADD", key("now:" .. to), id, message.entry)
      if not is_lined[to] then call("ZADD", LINE, "NX", id, to) end
      is_lined[to], is_line_empty = true, false
    end
    if message.name then call("HSET", name_key(message.sender, message.name), to, id) end
  end

  -- Which of both sets it is in shows when it leaves it.
  local function take(message)
    local to, id = message.to, message.id
    message.is_timer = call("ZREM", key("due:" .. to), message.entry) == 1
    if not message.is_timer then call("ZREM", key("now:" .. to), message.entry) end
    call("HDEL", BODIES, id)
    bodies[id] = nil
    all = all and all - 1
    count(message, -1)
    if message.name then
      local names = name_key(message.sender, message.name)
      if call("HGET", names, to) == id then call("HDEL", names, to) end
    end
  end

  -- What is pending in a room under an id, if it is.
  local function read(to, id)
    local body = bodies[id] or call("HGET", BODIES, id)
    if not body then return nil end
    local script, due, sender, name, payload = unpack(cmsgpack.unpack(body))
    local entry = id .. " " .. due .. " " .. script
    return { id = id, to = to, due = due, sender = sender, name = name, payload = payload, body = body, entry = entry }
  end

  local function put_step(step, message) steps[#steps + 1] = { step, message } end

  local function take_back(to, id)
    local message = read(to, id)
    if not message then return end
    take(message)
    put_step(put, message)
  end

  -- The id of what this sender has pending for a room under a name.
  local function pending_as(name, to)
    local id = call("HGET", name_key(sender(), name), to)
    return id and not (current and current.id == id) and id or nil
  end

  local function to_name(value)
    local text = type(value) == "number" and tostring(value) or value
    return type(text) == "string" and #text >= 1 and #text <= BOUNDS.name and text or nil
  end

  -- The receiver as the store names it; nil and why not.
  local function receiver(to, script)
    local name = type(script) == "string" and script or ""
    local _, at
    if not string.find(name, "[%s:~]") then
      _, at = string.find(MAIL_SCRIPTS, " " .. tools.game() .. name .. ":", 1, true)
    end
    local kind = at and string.sub(MAIL_SCRIPTS, at + 1, at + 1)
    local function about(refusal)
      return nil, string.format(get_mail_texts()[refusal], (string.gsub(string.sub(name, 1, 64), '[%c"\\]', "?")))
    end
    if not kind then return about("no_script") end
    if kind == "0" then return about("not_for_messages") end
    if to == nil then
      if kind == "2" then return about("needs_room") end
      return ""
    end
    local id = type(to) == "string" and string.match(to, "^game:(.*)$") or to
    id = tools.own_id(id)
    if not id then return nil, get_mail_texts().room end
    return id
  end

  -- The options after and name; nil, nil and why not.
  local function read_options(options)
    if options == nil then return 0 end
    if type(options) ~= "table" then return nil, nil, "bad argument #4: a table of options, got " .. type(options) end
    for option in pairs(options) do
      if option ~= "after" and option ~= "name" then
        return nil, nil, 'no option "' .. (type(option) == "string" and option or "") .. '": there are after, name'
      end
    end
    local after, name = options.after, options.name
    if after == nil then after = 0 end
    if type(after) ~= "number" or not (after >= 0 and after <= BOUNDS.after and after % 1 == 0) then
      return nil, nil, get_mail_texts().after
    end
    if name == nil then return after end
    name = to_name(name)
    if not name then return nil, nil, get_mail_texts().name end
    return after, name
  end

  -- What is due in another store, nodes take to the outbox (see mail_send.lua).
  local full, home_of
  local function is_outbox_full(to)
    if not full then
      full = {}
      for index = 2, #BOUNDS.stores do
        local store = BOUNDS.stores[index]
        if call("LLEN", key("out:" .. store)) >= BOUNDS.waiting then full[store] = true end
      end
    end
    if next(full) == nil then return false end
    home_of = home_of or make_home(BOUNDS.stores)
    return full[home_of(to)]
  end

  function mail.tell(to, script, payload, options)
    local why, after, name
    to, why = receiver(to, script)
    if not to then error(why, 2) end
    after, name, why = read_options(options)
    if not after then error(why, 2) end
    local ok, text = pcall(cjson.encode, payload)
    -- The line is the script's to know.
    if not ok then error((string.gsub(text, "^@?user_script:%d+: ", "")), 2) end
    if #text > BOUNDS.payload then error(get_mail_texts().long_payload, 2) end
    if tools.is_too_deep(text) then error(get_mail_texts().deep_payload, 2) end
    begin_call()
    if told >= BOUNDS.call then error(get_mail_texts().too_many_of_call, 2) end
    local before = name and pending_as(name, to)
    if to ~= room and is_outbox_full(to) then error(BOUNDS.waiting_text, 2) end
    local refusal = not before and full_of(to)
    if refusal then error(get_mail_texts()[refusal], 2) end
    if tools.is_full then error({ err = "OOM the store is full" }, 0) end
    local id, due, from = next_id(), string.format("%.0f", timer_now() + after), sender()
    if before then take_back(to, before) end
    script = tools.game() .. script
    local message = {
      id = id, to = to, due = due, sender = from, name = name, is_timer = after > 0,
      body = cmsgpack.pack({ script, due, from, name or false, text }), entry = id .. " " .. due .. " " .. script,
    }
    put_step(take, message)
    put(message)
    told = told + 1
    is_due_in(after)
  end

  function mail.cancel(value)
    local name = to_name(value)
    if not name then error(get_mail_texts().cancelled_name, 2) end
    begin_call()
    local receivers, was_any = call("HGETALL", name_key(sender(), name)), false
    for index = 1, #receivers, 2 do
      local to, id = receivers[index], receivers[index + 1]
      if not (current and current.id == id) then
        take_back(to, id)
        was_any = true
      end
    end
    return was_any
  end

  -- After a call that has failed.
  function mail.undo()
    if call_number ~= tools.number() then return end
    for index = #steps, 1, -1 do
      local ok, problem = pcall(steps[index][1], steps[index][2])
      if not ok then
        local text = type(problem) == "table" and problem.err or tostring(problem)
        redis.log(redis.LOG_WARNING, "godra cannot take back all that a call has told: " .. text)
      end
    end
    steps, counts, is_lined = {}, {}, {}
  end

  -- The payload of a message that is to run now, if it is still there.
  function mail.open(id)
    current = read(room, id)
    return current and current.payload
  end

  -- After its call, however that ended: a script that has written cannot be stopped, so this is not done before.
  function mail.close()
    take(current)
    were_timers = were_timers and current.is_timer
    current, taken = nil, taken + 1
  end

  -- How many of a room's messages without `after` wait.
  local function count_waiting()
    if counts[room] then return counts[room][1] end
    if tools.rooms > 1 then
      if is_line_empty == nil then is_line_empty = call("EXISTS", LINE) == 0 end
      -- Whoever has some stands in it.
      if is_line_empty then return 0 end
    end
    return call("ZCARD", key("now:" .. room))
  end

  -- After a room's messages, if any ran: where it stands from now on, and how many of this round it has had.
  function mail.settle()
    if taken == 0 then return end
    local first = call("ZRANGE", key("due:" .. room), 0, 0, "WITHSCORES")[2]
    local is_more_due = first and tonumber(first) <= timer_now() or count_waiting() > 0
    if is_more_due or taken > FEW then
      local ran = key("ran:" .. room)
      if keep("INCRBY", ran, taken) == taken then call("PEXPIRE", ran, BOUNDS.round_ms) end
    end
    if is_more_due then
      keep("ZADD", LINE, keep("INCR", SEQ), room)
      is_line_empty = false
      is_due_in(0)
    elseif taken > FEW or not were_timers then
      call("ZREM", LINE, room)
      is_lined[room] = nil
    end
    if first then is_due_in(math.max(0, tonumber(first) - timer_now())) end
    if tools.rooms > 1 then
      standing[room] = first or false
    elseif first then
      keep("ZADD", TIMERS, first, room)
    else
      call("ZREM", TIMERS, room)
    end
  end

  -- Of a bundle: reads the messages with these ids ahead.
  function mail.fetch(ids)
    local found = call("HMGET", BODIES, unpack(ids))
    for index = 1, #ids do bodies[ids[index]] = found[index] or nil end
  end

  -- Of a bundle: from now on the messages of this room run.
  function mail.enter(to)
    room, taken, were_timers = to, 0, true
  end

  -- At the end of a bundle, as settle; there was no time for the messages of these rooms, which are still due.
  function mail.settle_all(rest)
    for index = 1, #rest do
      standing[rest[index]] = string.format("%.0f", timer_now())
      is_due_in(0)
    end
    local firsts, gone = {}, {}
    for to, first in pairs(standing) do
      if first then
        firsts[#firsts + 1] = first
        firsts[#firsts + 1] = to
      else
        gone[#gone + 1] = to
      end
    end
    if #firsts > 0 then keep("ZADD", TIMERS, unpack(firsts)) end
    if #gone > 0 then call("ZREM", TIMERS, unpack(gone)) end
  end

  return mail
end
