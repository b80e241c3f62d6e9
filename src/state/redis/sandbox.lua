-- What scripts have in place of some of the store's own, so that they mean the same as on the embedded store. A script that
-- may look at one of these has it as a local; it is made when the first of a batch asks for it. Where no script of a program
-- does, this is not part of it.
do
  local plain_tostring, made, make = tostring, {}, {}

  local function refuse() error("Attempt to modify a readonly table", 2) end

  -- A library with some of its functions replaced, which nobody can change.
  local function library(own, replaced)
    setmetatable(replaced, { __index = own })
    return setmetatable({}, { __index = replaced, __newindex = refuse, __metatable = false })
  end

  function make.math()
    local random = get_random()
    return library(math, { random = random.random, randomseed = random.randomseed })
  end

  -- godra.now in seconds. Before Redis 7.2 there is no os.
  function make.os()
    local now = (time[1] * 1000 + math.floor(time[2] / 1000)) / 1000
    return library({}, { clock = function() return now end })
  end

  function make.string()
    local functions = {}
    for name, value in pairs(string) do
      if name ~= "dump" then functions[name] = value end
    end
    return library({}, functions)
  end

  -- Without addresses.
  local ADDRESSED = { ["table"] = true, ["function"] = true, thread = true, userdata = true }
  function make.tostring()
    return function(...)
      if select("#", ...) == 0 then error("bad argument #1 to 'tostring' (value expected)", 2) end
      local value = ...
      local text, kind = plain_tostring(value), type(value)
      if not ADDRESSED[kind] or type(text) ~= "string" then return text end
      local address = string.match(text, "^" .. kind .. ": (.*)$")
      if address and (address == "(nil)" or address == "NULL" or string.find(address, "^0x%x+$")) then return kind end
      return text
    end
  end

  -- Where a script makes arrays.
  function make.cjson()
    return library(cjson, { encode = get_arrays().encode })
  end

  local function get(name)
    local found = made[name] or make[name]()
    made[name] = found
    return found
  end

  local STAND_INS = { cjson = true, math = true, os = true, string = true, ["tostring"] = true }
  local GLOBALS = {
    "_VERSION", "assert", "bit", "cjson", "cmsgpack", "coroutine", "error", "getmetatable", "ipairs", "math", "next", "os", "pairs",
    "pcall", "rawequal", "rawget", "rawset", "select", "setmetatable", "string", "struct", "table", "tonumber", "tostring", "type",
    "unpack", "xpcall",
  }

  -- The globals of one call.
  local function globals(keys, arguments, commands, library_of_ours)
    local found = { KEYS = keys, ARGV = arguments, redis = commands, server = commands, godra = library_of_ours }
    for index = 1, #GLOBALS do
      local name = GLOBALS[index]
      found[name] = STAND_INS[name] and get(name) or _G[name]
    end
    found._G, found.print = found, library_of_ours.log
    return setmetatable(found, {
      __index = function(_, name)
        error("Script attempted to access nonexistent global variable '" .. plain_tostring(name) .. "'", 2)
      end,
      __newindex = refuse,
      __metatable = false,
    })
  end

  godra_sandbox = function(name, ...)
    if name == "_G" then return globals(...) end
    return get(name)
  end
end
