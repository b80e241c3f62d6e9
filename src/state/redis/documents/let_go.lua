-- Takes documents out of the store: such as another home wants, or the first that nobody has used for a while, to make room.
-- KEYS[1]: what the keys begin with (see program.lua)
-- ARGV: whether another home wants them (1), for how many seconds nobody has used those that make room; then names
-- Of a document that another home wants, the name stays in "leaving" until the database knows that this home has let it go: until
-- then nobody installs it again (see out.lua).
-- Returns one number each: 1 if it is out of the store.
local call, prefix = redis.call, KEYS[1]
local time = call("TIME")
local now = string.format("%.0f", time[1] * 1000 + math.floor(time[2] / 1000))
local is_wanted, idle_s = ARGV[1] == "1", tonumber(ARGV[2])
call("DEL", prefix .. "nothing")

local function let_go(name)
  if call("HEXISTS", prefix .. "dirty", name) == 1 then return 0 end
  local key = prefix .. "doc:" .. name
  local known = call("HMGET", key, "m", "u")
  if not is_wanted and known[1] and time[1] - tonumber(known[2] or 0) < idle_s then return 0 end
  -- A fetch that is under way may bring what was before the last save.
  local version = string.match(known[1] or "", "^%d+")
  if version then call("SET", prefix .. "gone:" .. name, version .. " 0", "EX", 60) end
  call("DEL", key)
  if is_wanted then
    version = version or string.match(call("GET", prefix .. "gone:" .. name) or "0", "^%d+")
    call("HSET", prefix .. "leaving", name, version)
  end
  return 1
end

local found = {}
for at = 3, #ARGV do found[#found + 1] = let_go(ARGV[at]) end
return found
