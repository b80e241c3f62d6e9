-- What godra.payload is: of a socket's input ("{") what its JSON text says, of an RPC ("[") what its first argument says if that
-- is the JSON text of an object or a list, and else the list of its arguments; nil for everything else. In front of this comes UNREADABLE_PAYLOAD, what the player is told of JSON that cannot be read. The arguments are so many
-- of ARGV, from one on.
local function read_payload(kind, from, count)
  if kind == "{" then
    local ok, value = pcall(cjson.decode, ARGV[from])
    if not ok then error({ code = "bad_request", message = UNREADABLE_PAYLOAD }, 0) end
    if value ~= cjson.null then return value end
  elseif kind == "[" then
    if count > 0 and string.find(ARGV[from], "^%s*[%[{]") then
      local ok, value = pcall(cjson.decode, ARGV[from])
      if ok then return value end
    end
    local list = {}
    for at = 1, count do list[at] = ARGV[from + at - 1] end
    return list
  end
end
