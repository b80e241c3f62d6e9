-- Keeps the scripts of each game off the keys of the others: what a script may call goes through here where a server has several
-- games. In front of this come GAMES (their names, each between spaces), GUESTS (the key that all may name), WHOLE (commands that work on
-- all keys) and KEY_PLACES: where the keys of commands are, as " name=places ", if it is not the first argument alone; see
-- Command::key_places in src/engine.
-- make_guard(commands, game): game is "" for the default one, or a name and "~".
local make_guard
do
  local places, unpack = {}, table.unpack or unpack

  local function refuse(game, key)
    if type(key) == "number" then key = tostring(key) end
    if type(key) ~= "string" or key == GUESTS then return nil end
    local front = string.match(key, "^([^~]*)~")
    local named = front and string.reverse(string.match(string.reverse(front), "^[%w_-]*"))
    local is_own
    if game ~= "" then
      is_own = named and named .. "~" == game
    else
      is_own = not named or named == "" or not string.find(GAMES, " " .. named .. " ", 1, true)
    end
    if is_own then return nil end
    local shown = string.gsub(string.sub(key, 1, 100), '[%c"\\]', "?")
    local whose = game == "" and "the default game" or 'the game "' .. string.sub(game, 1, -2) .. '"'
    return 'the key "' .. shown .. '" is none of ' .. whose .. ": work on KEYS"
  end

  local function places_of(name)
    local found = places[name]
    if not found then
      found = string.match(KEY_PLACES, " " .. name .. "=(%S+) ") or "1,1,1"
      places[name] = found
    end
    return found
  end

  local function refuse_range(game, arguments, first, last, step)
    for index = first, last, step do
      local why = refuse(game, arguments[index])
      if why then return why end
    end
  end

  local function look(game, name, arguments)
    if string.find(WHOLE, " " .. name .. " ", 1, true) then return name .. " works on the keys of all games" end
    local at = places_of(name)
    if at == "1,1,1" then return refuse(game, arguments[1]) end
    if at == "-" then return nil end
    if at == "s" then
      for index = 1, #arguments do
        local text, before = arguments[index], arguments[index - 1]
        local is_store = type(before) == "string" and string.lower(before) == "store"
        local is_pattern = type(text) == "string" and string.find(text, "*", 1, true)
        local why = (index == 1 or is_store or is_pattern) and refuse(game, text)
        if why then return why end
      end
      return nil
    end
    local kind, one, two, three = string.match(at, "^([cd]?)(%-?%d+),(%-?%d+),?(%-?%d*)$")
    one, two = tonumber(one), tonumber(two)
    if kind == "" then return refuse_range(game, arguments, one, two < 0 and #arguments + 1 + two or two, tonumber(three)) end
    local count = tonumber(arguments[one]) or 0
    return kind == "d" and refuse(game, arguments[1])
      or refuse_range(game, arguments, one + 1, math.min(#arguments, one + count * two), two)
  end

  function make_guard(commands, game)
    local function check(command, ...)
      local name = type(command) == "string" and string.lower(command) or ""
      if not string.find(name, "^%l+$") then return nil end
      return look(game, name, { ... })
    end
    return setmetatable({
      call = function(...)
        local why = check(...)
        if why then error({ err = "ERR " .. why }, 0) end
        return commands.call(...)
      end,
      pcall = function(...)
        local why = check(...)
        if why then return { err = "ERR " .. why } end
        return commands.pcall(...)
      end,
    }, { __index = commands })
  end
end
