-- Whether a result can be sent: a reply that is nested deeper than the node's parser takes ends its connection, and with it every
-- call of every room. In front of this come the bounds MAX_RESULT_DEPTH and MAX_RESULT_BYTES.
-- Gives what is wrong with it, or nothing.
local function check_result(result)
  local bytes = 0

  local function weigh(value, levels)
    local kind = type(value)
    if kind == "string" then
      bytes = bytes + #value
      if bytes > MAX_RESULT_BYTES then error("a result has at most " .. MAX_RESULT_BYTES .. " bytes", 0) end
    end
    if kind ~= "table" then return end
    if levels == 0 then error("a result has at most " .. MAX_RESULT_DEPTH .. " levels of arrays", 0) end
    local err, ok = rawget(value, "err"), rawget(value, "ok")
    if type(err) == "string" or type(ok) == "string" then return weigh(type(err) == "string" and err or ok, levels - 1) end
    local map, set = rawget(value, "map"), rawget(value, "set")
    if type(map) == "table" or type(set) == "table" then
      for name, inner in pairs(type(map) == "table" and map or set) do
        weigh(name, levels - 1)
        weigh(inner, levels - 1)
      end
      return
    end
    local index, inner = 1, rawget(value, 1)
    while inner ~= nil do
      weigh(inner, levels - 1)
      index = index + 1
      inner = rawget(value, index)
    end
  end

  local is_good, problem = pcall(weigh, result, MAX_RESULT_DEPTH)
  return not is_good and problem or nil
end
