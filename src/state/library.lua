-- What scripts have of their room, its members and its state, and what they print. The embedded store and the programs for Redis
-- both run this text.
-- The tools: room() (its id, nil in none), caller() (a user's id, or nil), run (a command, as redis.pcall), encode and decode (of
-- JSON), is_too_deep(JSON text), max_depth, protect (a table for scripts to read, in place of one), and log(place, text).
local function make_library(tools)
  local library, state = {}, {}
  local run = tools.run

  -- An error at the line of the script that has called the function that calls this.
  local function fail(text) error(text, 3) end

  -- For the functions that scripts call, as fail.
  local function command(...)
    local reply = run(...)
    if type(reply) ~= "table" or not reply.err then return reply end
    if string.find(reply.err, "^%-?WRONGTYPE") then error(reply.err, 3) end
    error(reply, 0)
  end

  -- A key of the room, as fail.
  local function key_of(suffix, what)
    local room = tools.room()
    if not room then error("godra." .. what .. " needs a room, and this call is in none", 3) end
    return "game:" .. room .. suffix
  end

  -- Byte by byte: Lua compares as the server's language does, which may be otherwise.
  local function is_before(one, other)
    for at = 1, math.min(#one, #other) do
      local a, b = string.byte(one, at), string.byte(other, at)
      if a ~= b then return a < b end
    end
    return #one < #other
  end
  local order = "a" < "B" and is_before or nil

  function library.members()
    local ids = command("SMEMBERS", key_of(":players", "members"))
    table.sort(ids, order)
    return ids
  end

  -- A payload may hold anything in the place of an id: nothing else than an id is a member's, nil neither.
  function library.is_member(...)
    local key = key_of(":players", "is_member")
    local id = ...
    if select("#", ...) == 0 then id = tools.caller() end
    if type(id) == "number" then id = tostring(id) end
    return type(id) == "string" and command("SISMEMBER", key, id) == 1
  end

  local function name_of(field, what)
    if type(field) == "number" then field = tostring(field) end
    if type(field) ~= "string" then
      error("bad argument #1 to '" .. what .. "' (string expected, got " .. type(field) .. ")", 3)
    end
    return field
  end

  local function is_finite(number) return number == number and number ~= math.huge and number ~= -math.huge end

  -- With as many digits as it takes to read the same number again.
  local function number_text(number)
    local text
    for digits = 14, 17 do
      text = string.format("%." .. digits .. "g", number)
      if tonumber(text) == number then break end
    end
    return text
  end

  -- A value as JSON text; nil for what removes a field. The depth is that of the script's call, for error.
  local function write(value, depth)
    local kind = type(value)
    if value == nil or value == cjson.null then return nil end
    if kind == "number" then
      if not is_finite(value) then error("a number of the room's state must be finite", depth + 1) end
      return number_text(value)
    end
    if kind ~= "string" and kind ~= "boolean" and kind ~= "table" then
      error("the room's state takes numbers, booleans, texts and tables, and no " .. kind, depth + 1)
    end
    local ok, text = pcall(tools.encode, value)
    if not ok then error(text, depth + 1) end
    if tools.is_too_deep(text) then
      error("a value of the room's state has at most " .. tools.max_depth .. " levels of arrays and objects", depth + 1)
    end
    return text
  end

  -- What is no JSON has been written by a command, and is the text that it is.
  local function read(text)
    if not text then return nil end
    local ok, value = pcall(tools.decode, text)
    if not ok then return text end
    if value ~= cjson.null then return value end
  end

  -- The state must not outlast a room that nobody is connected to.
  local function expire(key)
    local left = run("PTTL", key_of("", "state"))
    if type(left) == "number" and left > 0 then run("PEXPIRE", key, left) end
  end

  function state.get(field)
    local key, name = key_of(":state", "state.get"), name_of(field, "get")
    local text = command("HGET", key, name)
    return (read(text))
  end

  function state.all()
    local flat, fields = command("HGETALL", key_of(":state", "state.all")), {}
    for at = 1, #flat, 2 do fields[flat[at]] = read(flat[at + 1]) end
    return fields
  end

  -- A field and its value, or a table of them. How many arguments there are tells, and not that one is nil: a payload may have
  -- named them.
  function state.set(...)
    local field, value = ...
    local key, fields = key_of(":state", "state.set"), nil
    if select("#", ...) ~= 1 then
      fields = { [name_of(field, "set")] = { write(value, 2) } }
    elseif type(field) == "table" then
      fields = {}
      for name, of_name in pairs(field) do fields[name_of(name, "set")] = { write(of_name, 2) } end
    else
      fail("bad argument #1 to 'set': a field and its value, or a table of fields")
    end
    local names = {}
    for name in pairs(fields) do names[#names + 1] = name end
    table.sort(names, order)
    local has_written = false
    for at = 1, #names do
      local text = fields[names[at]][1]
      if text then command("HSET", key, names[at], text) else command("HDEL", key, names[at]) end
      has_written = has_written or text ~= nil
    end
    if has_written then expire(key) end
  end

  function state.delete(field)
    local key, name = key_of(":state", "state.delete"), name_of(field, "delete")
    return command("HDEL", key, name) == 1
  end

  function state.incr(...)
    local field, by = ...
    local key, name = key_of(":state", "state.incr"), name_of(field, "incr")
    if select("#", ...) < 2 then by = 1 end
    if type(by) ~= "number" then
      fail("bad argument #2 to 'incr' (number expected, got " .. type(by) .. ")")
    end
    local before = read(command("HGET", key, name))
    if before == nil then before = 0 end
    if type(before) ~= "number" then
      fail('the field "' .. name .. "\" of the room's state is no number but a " .. type(before))
    end
    local sum = before + by
    if not is_finite(sum) then fail("a number of the room's state must be finite") end
    command("HSET", key, name, number_text(sum))
    expire(key)
    return sum
  end

  library.state = tools.protect(state)

  -- Tables as JSON, and nothing of where a value lies in memory.
  local function shown(value)
    local kind = type(value)
    if kind == "string" then return value end
    if kind == "number" or kind == "boolean" or value == nil then return tostring(value) end
    if value == cjson.null then return "null" end
    local ok, text = pcall(tools.encode, value)
    return ok and kind == "table" and text or kind
  end

  function library.log(...)
    local parts = {}
    for at = 1, select("#", ...) do parts[at] = shown((select(at, ...))) end
    -- The line of the script that has called this: an error at that depth begins with it.
    local _, place = pcall(error, "", 3)
    tools.log(place, table.concat(parts, " "))
  end

  return library
end
