-- What the user lacks of what the server needs, as rules for ACL SETUSER; nothing at all where the store cannot tell. Every command is
-- asked for with as many arguments as it takes: Redis 7.0 dies of fewer.
-- ARGV[1]: how many keys follow, in turn with the rules that allow them; then a channel and its rule; then commands as words with
-- spaces between them, of which a $ is a key, in turn with their rules.
local check = redis.acl_check_cmd
if not check then return false end
local lacking, unpack = {}, table.unpack or unpack
local function lacks(rule) lacking[#lacking + 1] = rule end
-- What a store does not know, it is not asked for.
local function may(...)
  local is_known, is_allowed = pcall(check, ...)
  return not is_known or is_allowed
end
-- Several, as the user may lack one of these commands. Each reads and writes.
local function may_use(key) return may("hincrby", key, "f", "1") or may("incr", key) or may("lpop", key) end

local at, usable = 2, nil
for _ = 1, tonumber(ARGV[1]) do
  if may_use(ARGV[at]) then usable = ARGV[at] else lacks(ARGV[at + 1]) end
  at = at + 2
end
local may_publish, may_subscribe = may("publish", ARGV[at], ""), may("subscribe", ARGV[at])
-- If it is neither, nobody can tell whether it is the channel's fault.
if not may_publish and not may_subscribe then lacks(ARGV[at + 1]) end
if not may_publish then lacks("+publish") end
if not may_subscribe then lacks("+subscribe") end
for index = at + 2, #ARGV, 2 do
  local words, takes_key = {}, false
  for word in string.gmatch(ARGV[index], "%S+") do
    if word == "$" then word, takes_key = usable or "", true end
    words[#words + 1] = word
  end
  -- Nor, without any key, whether it is a command's.
  if takes_key and not usable or not may(unpack(words)) then lacks(ARGV[index + 1]) end
end
return lacking
