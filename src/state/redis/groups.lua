-- For whom scripts publish, and the groups of a room's users: made when a script first asks for them. In front of this come
-- get_group_bounds(), which gives { name, user, reason, key, groups, named, ttl, reach, bytes }.
-- The tools: room, caller() (its id), commands() (what the running call has as redis), own_room(function's name) and
-- put_out(user, reason).
local function make_groups(tools)
  local groups, GROUPS = {}, get_group_bounds()
  local room = tools.room

  -- An error at the script's line, from a function that the script has called at this depth.
  local function fail(depth, text) error(text, depth + 2) end

  local function call(...) return tools.commands().call(...) end

  local function is_name(text, most)
    return #text >= 1 and #text <= most and not string.find(text, "%c")
  end

  local function to_text(value)
    local kind = type(value)
    if kind == "string" then return value end
    if kind == "number" then return tostring(value) end
  end

  local function kind_of(value)
    return value == nil and "no value" or type(value)
  end

  local function texts(depth, value, most, what)
    local one = to_text(value)
    if one then return { one } end
    if type(value) ~= "table" then
      fail(depth + 1, what .. ": a string or a list of strings, got " .. kind_of(value))
    end
    local count, found, bytes = #value, {}, 0
    if count > most then fail(depth + 1, what .. ": at most " .. most .. " in a list, got " .. count) end
    for index = 1, count do
      local text = to_text(value[index])
      if not text then
        fail(depth + 1, what .. ": a list of strings, got a " .. type(value[index]) .. " in it")
      end
      bytes = bytes + #text
      if bytes > GROUPS.bytes then
        fail(depth + 1, what .. ": more than " .. GROUPS.bytes .. " bytes in a list")
      end
      found[index] = text
    end
    return found
  end

  local function check_group(depth, name)
    if not is_name(name, GROUPS.name) then
      fail(depth + 1, "a group's name has 1 to " .. GROUPS.name .. " bytes and no control characters")
    end
  end

  local function user_of(depth, value, number, what)
    local id = to_text(value)
    if not id then
      fail(depth + 1, "bad argument #" .. number .. " to '" .. what .. "' (string expected, got " .. kind_of(value) .. ")")
    end
    if not is_name(id, GROUPS.user) then
      fail(depth + 1, "bad argument #" .. number .. ": a user's id has 1 to " .. GROUPS.user
        .. " bytes and no control characters")
    end
    return id
  end

  local function user_or_caller(depth, value, what)
    if value ~= nil then return user_of(depth + 1, value, 2, what) end
    local id = tools.caller()
    if id == "" then fail(depth + 1, "bad argument #2: nobody has called, so it names the user") end
    return id
  end

  local function group_key(name) return OWN_KEYS .. "group:" .. room .. ":" .. name end
  local function user_key(id) return OWN_KEYS .. "groups:" .. room .. ":" .. id end

  local function leave_all(id, names)
    for index = 1, #names do
      call("SREM", user_key(id), names[index])
      call("SREM", group_key(names[index]), id)
    end
  end

  local function cell_size(name) return string.match(name, "^cell:[^:]*:") end

  local function group_names(depth, value, what)
    if room == "" then tools.own_room(what, depth + 3) end
    local names = texts(depth + 1, value, GROUPS.groups, "bad argument #1")
    for index = 1, #names do check_group(depth + 1, names[index]) end
    return names
  end

  -- By text, so that a list with doubles has each once.
  local function set_of(list)
    local set = {}
    for index = 1, #list do set[list[index]] = true end
    return set
  end

  function groups.join(value, user)
    local names = group_names(1, value, "join")
    local id = user_or_caller(1, user, "join")
    local known_names = call("SMEMBERS", user_key(id))
    local known, wanted = set_of(known_names), set_of(names)
    local size = names[1] and cell_size(names[1])
    for index = 1, size and #names or 0 do
      if cell_size(names[index]) ~= size then size = nil break end
    end
    local left, joined = {}, {}
    for index = 1, size and #known_names or 0 do
      local name = known_names[index]
      if cell_size(name) == size and not wanted[name] then left[#left + 1] = name end
    end
    for index = 1, #names do
      local name = names[index]
      if wanted[name] and not known[name] then joined[#joined + 1] = name end
      wanted[name] = nil
    end
    if #known_names - #left + #joined > GROUPS.groups then
      fail(1, "a user may be in " .. GROUPS.groups .. " groups of a room at most")
    end
    leave_all(id, left)
    for index = 1, #joined do
      local key = group_key(joined[index])
      call("SADD", user_key(id), joined[index])
      call("SADD", key, id)
      call("EXPIRE", key, GROUPS.ttl)
    end
    if #joined > 0 then call("EXPIRE", user_key(id), GROUPS.ttl) end
  end

  function groups.leave(value, user)
    local names = group_names(1, value, "leave")
    leave_all(user_or_caller(1, user, "leave"), names)
  end

  function groups.remove(user, reason)
    local id = user_of(1, user, 1, "remove")
    local text = reason == nil and "removed from the room" or to_text(reason)
    if not text then
      fail(1, "bad argument #2 to 'remove' (string expected, got " .. type(reason) .. ")")
    end
    if not is_name(text, GROUPS.reason) then
      fail(1, "bad argument #2 to 'remove': a reason of 1 to " .. GROUPS.reason .. " bytes in one line")
    end
    if room == "" then tools.own_room("remove", 3) end
    leave_all(id, call("SMEMBERS", user_key(id)))
    -- A node that misses word of it finds out when it confirms the membership.
    local held = call("HGET", OWN_KEYS .. "members:" .. room, id)
    if held then
      call("HSET", OWN_KEYS .. "removed:" .. room, id, held)
      call("EXPIRE", OWN_KEYS .. "removed:" .. room, 86400)
    end
    tools.put_out(id, text)
  end

  local function finite(depth, value, number)
    local found = type(value) == "string" and tonumber(value) or value
    if type(found) ~= "number" then
      fail(depth + 1, "bad argument #" .. number .. " to 'cell' (number expected, got " .. kind_of(value) .. ")")
    end
    if found ~= found or found == math.huge or found == -math.huge then
      local shown = found ~= found and "NaN" or found > 0 and "inf" or "-inf"
      fail(depth + 1, "bad argument #" .. number .. ": a finite number, got " .. shown)
    end
    return found
  end

  function groups.cell(x, y, size, reach)
    x, y, size = finite(1, x, 1), finite(1, y, 2), finite(1, size, 3)
    if size <= 0 then fail(1, "bad argument #3 to 'cell': a size above 0") end
    -- Not -0.
    local column, row = math.floor(x / size) + 0, math.floor(y / size) + 0
    -- Cells have whole numbers that a double holds exactly.
    if not (math.abs(column) + GROUPS.reach < 2 ^ 53 and math.abs(row) + GROUPS.reach < 2 ^ 53) then
      fail(1, "the cell is too far away: a larger size would do")
    end
    local front = "cell:" .. tostring(size) .. ":"
    if reach == nil then return front .. string.format("%.0f:%.0f", column, row) end
    reach = finite(1, reach, 4)
    if reach < 0 or reach > GROUPS.reach or reach % 1 ~= 0 then
      fail(1, "bad argument #4 to 'cell': a whole number from 0 to " .. GROUPS.reach)
    end
    local names = {}
    for at_row = row - reach, row + reach do
      for at_column = column - reach, column + reach do
        names[#names + 1] = front .. string.format("%.0f:%.0f", at_column + 0, at_row + 0)
      end
    end
    return names
  end

  local function replace_key(value)
    local key = #value == 1 and value[1]
    if not key or not is_name(key, GROUPS.key) then
      fail(3, "bad option replace: one text of 1 to " .. GROUPS.key .. " bytes without control characters")
    end
    return key
  end

  -- What is written in front of an event with these options: its audience, nil if it is for everybody, and its key.
  function groups.options(options)
    if type(options) ~= "table" then
      fail(2, "bad argument #3: a table of options, got " .. type(options))
    end
    local found = {}
    for name, value in pairs(options) do
      if name ~= "to" and name ~= "except" and name ~= "group" and name ~= "replace" then
        fail(2, 'no option "' .. (type(name) == "string" and name or "") .. '": there are to, except, group, replace')
      end
      found[name] = texts(2, value, GROUPS.named, "bad option " .. name)
    end
    local except, key = found.except or {}, found.replace and replace_key(found.replace)
    if not found.to and not found.group then
      if #except == 0 then return nil, key end
      return "@-" .. tools.list(except), key
    end
    local named = set_of(found.to or {})
    for index = 1, found.group and #found.group or 0 do
      check_group(2, found.group[index])
      if room == "" then tools.own_room("publish", 4) end
      local users = call("SMEMBERS", group_key(found.group[index]))
      for place = 1, #users do named[users[place]] = true end
    end
    for index = 1, #except do named[except[index]] = nil end
    local ids = {}
    for id in pairs(named) do ids[#ids + 1] = id end
    table.sort(ids)
    return "@+" .. tools.list(ids), key
  end

  return groups
end
