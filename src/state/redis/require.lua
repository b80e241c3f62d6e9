-- The require of a call: places tells where in libraries each is that its script may name. A call runs each once.
local godra_libraries = {}
local function godra_require(places, keys, arguments, commands, godra)
  local loaded = {}
  local function require(name)
    local found = loaded[name]
    if found ~= nil then return found end
    local library = godra_libraries[places[name]]
    if not library then error('there is no library "' .. tostring(name) .. '" among those that this script requires', 2) end
    found = library(keys, arguments, commands, godra, require)
    if found == nil then found = true end
    loaded[name] = found
    return found
  end
  return require
end
