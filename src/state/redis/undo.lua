-- All or nothing. A command that writes goes through a function which first notes how to put back what the command is about
-- to change: the fields, members or scores that it names, or the whole key. If the call fails, the steps are taken from the
-- last to the first, so each finds the store as its command left it.
-- A script that has written cannot be stopped by SCRIPT KILL, may use memory beyond maxmemory, and reaches replicas and the
-- append-only file as one transaction: so nothing can come between a call's first write and the end of its undoing.
-- In front of this come PICKS, get_picks and READS (the names of commands that only read, with spaces around each).
local atomic_commands, keep_changes, undo_changes
do
local run, lower, type = redis.pcall, string.lower, type
-- Lists of how to put back what: functions (false: a field) and their arguments. What is left in them is written over by the
-- next call.
local undoes, keys, whats, befores, count = {}, {}, {}, {}, 0
-- Keys that a step puts back whole, so that the call needs no more steps for them.
local is_whole = {}
-- How many keys the call has moved aside.
local asides = 0

-- The field that the script has just read, if nothing was written since: most inputs read one and write it back.
local seen_key, seen_field, seen_value

local function keep_field(key, field)
  local before = seen_value
  if seen_key ~= key or seen_field ~= field then before = run("HGET", key, field) end
  if type(before) ~= "table" then
    count = count + 1
    undoes[count], keys[count], whats[count], befores[count] = false, key, field, before
  end
end

local get_writers

local function set_fields(command, ...)
  local key, field, _, more = ...
  if more ~= nil then return get_writers().hset(command, ...) end
  if field and not is_whole[key] then keep_field(key, field) end
  return run(command, ...)
end

local function set_field(command, key, field, ...)
  if not is_whole[key] and field then keep_field(key, field) end
  return run(command, key, field, ...)
end

local writers, any_writer, must, put_field
-- What scripts rarely write with is made when they do: making a function takes as long as a few of a script's lines.
function get_writers()
  if writers then return writers end
  local function make_writers()
    -- Dragonfly runs Lua 5.4.
    local unpack = table.unpack or unpack

    local function note(...)
      count = count + 1
      undoes[count], keys[count], whats[count], befores[count] = ...
    end

    -- For the server's own questions and steps: fails as a whole if the store does not answer.
    local function must(...)
      local reply = run(...)
      if type(reply) == "table" and reply.err then error(reply, 0) end
      return reply
    end

    -- nil if the key holds another type: then the command will fail, too.
    local function ask(...)
      local reply = run(...)
      if type(reply) == "table" and reply.err then return nil end
      return reply
    end

    -- When the key ends, in ms; -1 for never, -2 for no such key.
    local function end_of(key)
      local at = ask("PEXPIRETIME", key)
      if at then return at end
      -- Stores before Redis 7.0.
      local left = must("PTTL", key)
      if left < 0 then return left end
      local time = must("TIME")
      return time[1] * 1000 + math.floor(time[2] / 1000) + left
    end

    -- As digits. An end beyond the year 287,000 is not kept to the millisecond: Lua's numbers are not fine enough for it.
    local function digits(at)
      return string.format("%.0f", math.min(math.max(at, 0), 9223372036854774784))
    end

    local function put_end(key, at)
      if at >= 0 then must("PEXPIREAT", key, digits(at)) else must("PERSIST", key) end
    end

    local function put_nothing(key) must("UNLINK", key) end
    local function put_aside(key, aside) must("RENAME", aside, key) end
    local function put_dump(key, dump, at) must("RESTORE", key, digits(at), dump, "REPLACE", "ABSTTL") end

    local function put_text(key, text, at)
      must("SET", key, text)
      if at >= 0 then must("PEXPIREAT", key, digits(at)) end
    end

    -- Whatever the key holds.
    local function keep_key(key)
      if is_whole[key] then return end
      local dump = must("DUMP", key)
      is_whole[key] = true
      if dump then note(put_dump, key, dump, end_of(key)) else note(put_nothing, key) end
    end

    -- As keep_key, in less time if the key holds a string.
    local function keep_text(key)
      if is_whole[key] then return end
      local text = ask("GET", key)
      if text == nil then return keep_key(key) end
      is_whole[key] = true
      if text then note(put_text, key, text, end_of(key)) else note(put_nothing, key) end
    end

    -- Each field as it was: those that were there first, so that the key does not vanish in between.
    local function put_fields(key, fields, before)
      for index = 1, #fields do
        if before[index] then must("HSET", key, fields[index], before[index]) end
      end
      for index = 1, #fields do
        if not before[index] then must("HDEL", key, fields[index]) end
      end
    end

    local function keep_fields(key, fields)
      local before = ask("HMGET", key, unpack(fields))
      if before then note(put_fields, key, fields, before) end
    end

    local function every_other(first, ...)
      local arguments, found = { ... }, {}
      for index = first, #arguments, 2 do found[#found + 1] = arguments[index] end
      return found
    end

    local function put_field(key, field, before)
      if before then must("HSET", key, field, before) else must("HDEL", key, field) end
    end

    -- A key that loses its last element loses its end: then all of it is kept.
    local function may_vanish(size_command, key, removed)
      local size = ask(size_command, key)
      return size and size <= removed
    end

    local function del_fields(command, key, ...)
      local fields = { ... }
      if not is_whole[key] and fields[1] then
        if may_vanish("HLEN", key, #fields) then keep_key(key) else keep_fields(key, fields) end
      end
      return run(command, key, ...)
    end

    local function put_members(key, members, before)
      for index = 1, #members do
        if before[index] == 1 then must("SADD", key, members[index]) end
      end
      for index = 1, #members do
        if before[index] ~= 1 then must("SREM", key, members[index]) end
      end
    end

    local function keep_members(key, members, may_go)
      if is_whole[key] or not members[1] then return end
      if may_go and may_vanish("SCARD", key, #members) then return keep_key(key) end
      local before = ask("SMISMEMBER", key, unpack(members))
      if before then note(put_members, key, members, before) end
    end

    local function add_members(command, key, ...)
      keep_members(key, { ... })
      return run(command, key, ...)
    end

    local function remove_members(command, key, ...)
      keep_members(key, { ... }, true)
      return run(command, key, ...)
    end

    local function move_member(command, from, to, member, ...)
      keep_members(from, { member }, true)
      keep_members(to, { member })
      return run(command, from, to, member, ...)
    end

    local function pop_members(command, key, ...)
      if is_whole[key] then return get_picks().spop(command, key, ...) end
      if may_vanish("SCARD", key, tonumber((...)) or 1) then keep_key(key) end
      local reply = get_picks().spop(command, key, ...)
      if is_whole[key] or not reply or type(reply) == "table" and reply.err then return reply end
      local members, before = type(reply) == "table" and reply or { reply }, {}
      for index = 1, #members do before[index] = 1 end
      -- The script may change its reply.
      note(put_members, key, { unpack(members) }, before)
      return reply
    end

    local function put_scores(key, members, before)
      for index = 1, #members do
        if before[index] then must("ZADD", key, before[index], members[index]) end
      end
      for index = 1, #members do
        if not before[index] then must("ZREM", key, members[index]) end
      end
    end

    local function keep_scores(key, members, may_go)
      if is_whole[key] or not members[1] then return end
      if may_go and may_vanish("ZCARD", key, #members) then return keep_key(key) end
      local before = ask("ZMSCORE", key, unpack(members))
      if before then note(put_scores, key, members, before) end
    end

    local ADD_OPTIONS = { nx = true, xx = true, gt = true, lt = true, ch = true, incr = true }
    local function add_scores(command, key, ...)
      local arguments, first = { ... }, 1
      while type(arguments[first]) == "string" and ADD_OPTIONS[lower(arguments[first])] do first = first + 1 end
      keep_scores(key, every_other(first + 1, ...))
      return run(command, key, ...)
    end

    local function add_to_score(command, key, increment, member, ...)
      keep_scores(key, { member })
      return run(command, key, increment, member, ...)
    end

    local function remove_scores(command, key, ...)
      keep_scores(key, { ... }, true)
      return run(command, key, ...)
    end

    -- What a list of members and their scores says was there.
    local function keep_ranked(key, ranked)
      local members, before = {}, {}
      for index = 1, #ranked, 2 do
        members[#members + 1], before[#before + 1] = ranked[index], ranked[index + 1]
      end
      if members[1] then note(put_scores, key, members, before) end
    end

    local function pop_scores(command, key, ...)
      if is_whole[key] then return run(command, key, ...) end
      if may_vanish("ZCARD", key, tonumber((...)) or 1) then keep_key(key) end
      local reply = run(command, key, ...)
      if not is_whole[key] and not reply.err then keep_ranked(key, reply) end
      return reply
    end

    local RANGES = { zremrangebyrank = "ZRANGE", zremrangebyscore = "ZRANGEBYSCORE" }
    local function remove_range(command, key, from, to, ...)
      local ranked = not is_whole[key] and ask(RANGES[lower(command)], key, from, to, "WITHSCORES")
      if ranked then
        if may_vanish("ZCARD", key, #ranked / 2) then keep_key(key) else keep_ranked(key, ranked) end
      end
      return run(command, key, from, to, ...)
    end

    local LEFT = { push = "LPUSH", pop = "LPOP" }
    local RIGHT = { push = "RPUSH", pop = "RPOP" }
    local function side_of(name) return lower(name) == "left" and LEFT or RIGHT end

    local function put_shorter(key, pop, surplus)
      for _ = 1, surplus do must(pop, key) end
    end

    -- The elements as they were taken, one after another.
    local function put_elements(key, push, elements)
      for index = #elements, 1, -1 do must(push, key, elements[index]) end
    end

    local function push(side)
      return function(command, key, ...)
        local reply = run(command, key, ...)
        if not is_whole[key] and type(reply) == "number" and reply > 0 then
          note(put_shorter, key, side.pop, select("#", ...))
        end
        return reply
      end
    end

    local function pop(side)
      return function(command, key, ...)
        if is_whole[key] then return run(command, key, ...) end
        if may_vanish("LLEN", key, tonumber((...)) or 1) then keep_key(key) end
        local reply = run(command, key, ...)
        if is_whole[key] or not reply or type(reply) == "table" and reply.err then return reply end
        local elements = type(reply) == "table" and { unpack(reply) } or { reply }
        note(put_elements, key, side.push, elements)
        return reply
      end
    end

    local function move(from_side, to_side, command, from, to, ...)
      if from == to then
        local reply = run(command, from, to, ...)
        if not is_whole[from] and type(reply) == "string" then
          -- Undone from the last: the list must not vanish in between.
          note(put_shorter, from, to_side.pop, 1)
          note(put_elements, from, from_side.push, { reply })
        end
        return reply
      end
      if not is_whole[from] and may_vanish("LLEN", from, 1) then keep_key(from) end
      local reply = run(command, from, to, ...)
      if type(reply) ~= "string" then return reply end
      if not is_whole[from] then note(put_elements, from, from_side.push, { reply }) end
      if not is_whole[to] then note(put_shorter, to, to_side.pop, 1) end
      return reply
    end

    local function move_element(command, from, to, from_side, to_side, ...)
      if type(from_side) ~= "string" or type(to_side) ~= "string" then
        return run(command, from, to, from_side, to_side, ...)
      end
      return move(side_of(from_side), side_of(to_side), command, from, to, from_side, to_side, ...)
    end

    local function turn_element(command, from, to, ...)
      return move(RIGHT, LEFT, command, from, to, ...)
    end

    local function put_element(key, index, element) must("LSET", key, index, element) end

    local function set_element(command, key, index, ...)
      local before = not is_whole[key] and ask("LINDEX", key, index)
      if before then
        note(put_element, key, index, before)
      elseif math.abs(tonumber(index) or 0) > 2147483647 then
        -- Valkey and today's Redis set an element by the lower half of such an index, and do not read it.
        keep_key(key)
      end
      return run(command, key, index, ...)
    end

    local function put_trimmed(key, front, back)
      for index = #front, 1, -1 do must("LPUSH", key, front[index]) end
      for index = 1, #back do must("RPUSH", key, back[index]) end
    end

    -- What a trim will cut off at the front and at the back, or nothing if all of the key is kept.
    local function trimmed(key, first, last)
      local size = first and last and ask("LLEN", key) or 0
      if size == 0 then return nil end
      if first < 0 then first = math.max(first + size, 0) end
      if last < 0 then last = last + size end
      if first > last or first >= size then return keep_key(key) end
      local front = first > 0 and must("LRANGE", key, 0, first - 1) or {}
      local back = last < size - 1 and must("LRANGE", key, last + 1, -1) or {}
      return front, back
    end

    local function trim(command, key, from, to, ...)
      if is_whole[key] then return run(command, key, from, to, ...) end
      local front, back = trimmed(key, tonumber(from), tonumber(to))
      local reply = run(command, key, from, to, ...)
      if front and not reply.err then note(put_trimmed, key, front, back) end
      return reply
    end

    -- The whole of the key that is the argument at this place.
    local function whole(place)
      return function(command, ...)
        local key = select(place, ...)
        if key then keep_key(key) end
        return run(command, ...)
      end
    end

    local function text(command, key, ...)
      if key then keep_text(key) end
      return run(command, key, ...)
    end

    local function texts(command, ...)
      local arguments = { ... }
      for index = 1, #arguments, 2 do keep_text(arguments[index]) end
      return run(command, ...)
    end

    local function sort(command, ...)
      local arguments = { ... }
      for index = 2, #arguments - 1 do
        if lower(tostring(arguments[index])) == "store" then keep_key(arguments[index + 1]) end
      end
      return run(command, ...)
    end

    local function every_argument(command, ...)
      local arguments = { ... }
      for index = 1, #arguments do
        if type(arguments[index]) == "string" or type(arguments[index]) == "number" then keep_key(arguments[index]) end
      end
      return run(command, ...)
    end

    -- Out of the way in no time, however large the key is.
    local function move_aside(key)
      asides = asides + 1
      local aside = OWN_KEYS .. "undo:" .. asides
      local reply = run("RENAME", key, aside)
      if reply.err then
        asides = asides - 1
        return reply
      end
      is_whole[key] = true
      note(put_aside, key, aside)
      return reply
    end

    local function remove_keys(command, ...)
      local keys, removed = { ... }, 0
      if not keys[1] then return run(command) end
      for index = 1, #keys do
        if is_whole[keys[index]] then
          removed = removed + must(command, keys[index])
        elseif must("EXISTS", keys[index]) == 1 then
          local reply = move_aside(keys[index])
          if reply.err then return reply end
          removed = removed + 1
        end
      end
      return removed
    end

    local function put_renamed(from, to) must("RENAME", to, from) end

    local function rename(command, from, to, ...)
      if not to or select("#", ...) > 0 or tostring(from) == tostring(to) or ask("EXISTS", from) ~= 1 then
        return run(command, from, to, ...)
      end
      if must("EXISTS", to) == 1 then
        if lower(command) == "renamenx" then return run(command, from, to) end
        if not is_whole[to] then move_aside(to) end
      end
      note(put_renamed, from, to)
      is_whole[from], is_whole[to] = true, is_whole[from]
      return run(command, from, to)
    end

    local UNITS = { expire = 1000, pexpire = 1, expireat = 1000, pexpireat = 1 }
    -- An end that is past removes the key.
    local function set_end(command, key, at, ...)
      local before = key and not is_whole[key] and end_of(key) or -2
      if before ~= -2 then
        local ms = (tonumber(at) or 0) * (UNITS[lower(command)] or 0)
        local time = must("TIME")
        local past = string.sub(lower(command), -2) == "at" and (time[1] + 1) * 1000 or 0
        if ms <= past then keep_key(key) else note(put_end, key, before) end
      end
      return run(command, key, at, ...)
    end

    local function drop_end(command, key, ...)
      local before = key and not is_whole[key] and end_of(key) or -2
      if before >= 0 then note(put_end, key, before) end
      return run(command, key, ...)
    end

    local function refuse(command)
      return { err = "ERR " .. string.upper(command) .. " cannot be undone in Redis: a script that calls it needs -- ATOMIC: off" }
    end

    local function set_many(command, key, ...)
      if not is_whole[key] then keep_fields(key, every_other(1, ...)) end
      return run(command, key, ...)
    end

    local writers = {
      del = remove_keys, unlink = remove_keys, rename = rename, renamenx = rename, copy = whole(2), sort = sort,
      expire = set_end, pexpire = set_end, expireat = set_end, pexpireat = set_end, persist = drop_end,
      flushall = refuse, flushdb = refuse,
      append = text, decr = text, decrby = text, getdel = text, getex = text, getset = text, incr = text, incrby = text,
      incrbyfloat = text, psetex = text, set = text, setex = text, setnx = text, setrange = text, setbit = text,
      bitfield = text, mset = texts, msetnx = texts, bitop = whole(2),
      hset = set_many, hmset = set_many, hdel = del_fields,
      sadd = add_members, srem = remove_members, smove = move_member, spop = pop_members,
      sdiffstore = whole(1), sinterstore = whole(1), sunionstore = whole(1),
      zadd = add_scores, zincrby = add_to_score, zrem = remove_scores, zpopmin = pop_scores, zpopmax = pop_scores,
      zremrangebyrank = remove_range, zremrangebyscore = remove_range, zremrangebylex = whole(1),
      zdiffstore = whole(1), zinterstore = whole(1), zunionstore = whole(1), zrangestore = whole(1),
      lpush = push(LEFT), lpushx = push(LEFT), rpush = push(RIGHT), rpushx = push(RIGHT), lpop = pop(LEFT), rpop = pop(RIGHT),
      lmove = move_element, rpoplpush = turn_element, lset = set_element, ltrim = trim, linsert = whole(1), lrem = whole(1),
    }
    return writers, every_argument, must, put_field
  end
  writers, any_writer, must, put_field = make_writers()
  return writers
end

-- By the name as the script writes it: its function; "get" for HGET, whose reply is remembered; or false for other commands
-- that only read.
local known = {}

local function look_up(command)
  if type(command) ~= "string" then return false end
  local name, writer = lower(command), false
  if name == "hget" then
    writer = "get"
  elseif name == "hset" or name == "hmset" then
    writer = set_fields
  elseif name == "hsetnx" or name == "hincrby" or name == "hincrbyfloat" then
    writer = set_field
  elseif name ~= "spop" and string.find(PICKS, " " .. name .. " ", 1, true) then
    writer = get_picks()[name]
  elseif not string.find(READS, " " .. name .. " ", 1, true) then
    writer = get_writers()[name] or any_writer
  end
  known[command] = writer
  return writer
end

-- Most calls are of HGET and HSET, and what each goes through here is most of what undoing costs.
atomic_commands = setmetatable({
  call = function(command, ...)
    local writer, reply = known[command], nil
    if writer == nil then writer = look_up(command) end
    if not writer then
      reply = run(command, ...)
    elseif writer == "get" then
      reply = run(command, ...)
      seen_key, seen_field = ...
      seen_value = reply
    else
      reply = writer(command, ...)
      seen_key = nil
    end
    -- The line that the reply may name is not the script's.
    if type(reply) == "table" and reply.err then
      seen_key = nil
      error({ err = reply.err }, 0)
    end
    return reply
  end,
  pcall = function(command, ...)
    local writer = known[command]
    if writer == nil then writer = look_up(command) end
    if not writer or writer == "get" then return run(command, ...) end
    local reply = writer(command, ...)
    seen_key = nil
    return reply
  end,
  setresp = function(version)
    if version ~= 2 then error("RESP3 replies are not available to game scripts", 2) end
  end,
}, { __index = redis })

-- After a call that has worked.
function keep_changes()
  if asides > 0 then
    for aside = 1, asides do must("UNLINK", OWN_KEYS .. "undo:" .. aside) end
    asides = 0
  end
  count, seen_key = 0, nil
  if next(is_whole) then is_whole = {} end
end

-- After a call that has failed.
function undo_changes()
  local REFUSALS = { OOM = true, READONLY = true, MISCONF = true, NOREPLICAS = true, MASTERDOWN = true }
  if count > 0 then get_writers() end
  for index = count, 1, -1 do
    local ok, problem = pcall(undoes[index] or put_field, keys[index], whats[index], befores[index])
    local text = not ok and (type(problem) == "table" and problem.err or tostring(problem))
    -- A store that takes no writes has taken none of this call.
    if text and not REFUSALS[string.match(text, "^%-?(%u+) ") or ""] then
      redis.log(redis.LOG_WARNING, "godra cannot undo all that a call has written: " .. text)
    end
  end
  asides = 0
  keep_changes()
end
end
