-- A step of a survey: what some of the store's keys take. Nothing is changed.
-- KEYS[1]: a key of the server's own; ARGV[1]: where the step begins, as SCAN says it; ARGV[2]: of how many keys, about.
-- Returns {where the next step begins, "0" behind the last; bytes of keys that are of no room; and of each other key its name, its
--   bytes, and the owner in a room's hash, the number in a set of members, or false}. If the store refuses, {its words}.
local SUFFIX = ":players"

-- Others may use the store, too, and their keys may be forbidden: these are left out. The server's own never are.
local allowed = redis.pcall("MEMORY", "USAGE", KEYS[1])
if type(allowed) == "table" and allowed.err then return { allowed.err } end
local page = redis.pcall("SCAN", ARGV[1], "COUNT", ARGV[2])
if page.err then return { page.err } end

local told, others = { page[1], 0 }, 0
for _, key in ipairs(page[2]) do
  local bytes = redis.pcall("MEMORY", "USAGE", key)
  -- A key may be gone by now.
  if type(bytes) ~= "number" then bytes = nil end
  if bytes and string.sub(key, 1, 5) == "game:" then
    local more
    if not string.find(key, ":", 6, true) then
      more = redis.pcall("HGET", key, "owner")
    elseif string.find(key, ":", 6, true) == #key - #SUFFIX + 1 and string.sub(key, -#SUFFIX) == SUFFIX then
      more = redis.pcall("SCARD", key)
    end
    if type(more) == "table" then more = false end
    local count = #told
    told[count + 1], told[count + 2], told[count + 3] = key, bytes, more or false
  else
    others = others + (bytes or 0)
  end
end
told[2] = others
return told
