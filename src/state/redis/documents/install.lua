-- Documents that were fetched for this store, beside what it has.
-- KEYS[1]: what the keys begin with (see program.lua), of which also "leaving" is one, a hash of names that are on their way to
-- another home (see let_go.lua), and gone:NAME, the version and the time at which a document went
-- ARGV: the home that they were fetched for, a time of the store's before that, how old that may be, in milliseconds, for how many
-- seconds a document is kept that nobody uses, and one that there is not; then of each its name, "version home schema updated owner", its value or "", and of an account
-- of a ledger its keys at hand, else ""
-- Returns one number each: 1 it is there, 2 it is to be fetched again, 3 the store is full.
local call, prefix = redis.call, KEYS[1]
local home, fetched_at, kept_s = ARGV[1], tonumber(ARGV[2]), ARGV[4]
local time = call("TIME")
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local is_stale = call("HGET", prefix .. "home", "id") ~= home or now - fetched_at > tonumber(ARGV[3])

-- The version of a document of this home.
local function version_of(text)
  local version, of = string.match(text or "", "^(%d+) (%S+) ")
  return of == home and tonumber(version) or nil
end

-- Whether what was fetched may be older than what the store has had.
local function is_older(name, version)
  if call("HEXISTS", prefix .. "dirty", name) == 1 or call("HEXISTS", prefix .. "leaving", name) == 1 then return true end
  local gone = call("GET", prefix .. "gone:" .. name)
  if not gone then return false end
  local last, at = string.match(gone, "^(%d+) (%d+)$")
  return version < tonumber(last) or fetched_at < tonumber(at)
end

local function install(name, meta, value, keys)
  local key = prefix .. "doc:" .. name
  local present = version_of(call("HGET", key, "m"))
  if present and present >= version_of(meta) then
    call("EXPIRE", key, kept_s)
    return 1
  end
  if is_older(name, version_of(meta)) then return 2 end
  local reply = redis.pcall("HSET", key, "m", meta, "j", value, "k", keys, "u", time[1])
  if type(reply) == "table" and reply.err then
    if string.find(reply.err, "OOM", 1, true) then return 3 end
    error(reply, 0)
  end
  call("EXPIRE", key, value == "" and ARGV[5] or kept_s)
  return 1
end

local found = {}
for at = 6, #ARGV, 4 do
  found[#found + 1] = is_stale and 2 or install(ARGV[at], ARGV[at + 1], ARGV[at + 2], ARGV[at + 3])
end
return found
