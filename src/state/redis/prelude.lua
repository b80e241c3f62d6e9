-- Runs the calls of a batch one after another. In front of this come the scripts, as
-- godra_scripts[i] = { function(KEYS, ARGV, redis, godra), whether it may publish by command }.
-- KEYS[1]: the room's record (a hash of epoch and seq), or the name of no key for calls without a room; then the scripts' keys
-- ARGV[1]: msgpack of {room or "", node, epoch if the room has none, stop on error, refresh the record, seed, room_ttl}
-- ARGV[2]: msgpack of the calls, each {script, first key, number of keys, result wanted, ARGV, name, role, step, token, uid}
-- Returns {epoch, seq, the room's message or "", one entry a call}: 0 (done), 1 (skipped), {"V", value?},
--   {"E", code, message, details, fault}.
local head, calls = cmsgpack.unpack(ARGV[1]), cmsgpack.unpack(ARGV[2])
local room, node = head[1], head[2]
local call, encode, decode = redis.call, cjson.encode, cjson.decode
local time = call("TIME")
local now = time[1] * 1000 + math.floor(time[2] / 1000)
math.randomseed(head[6])

local RESERVED = { welcome = true, reply = true, error = true, batch = true, snapshot = true }
local MAX_BYTES = 67108864
local bytes = 0
local rooms, order = {}, {}

-- A room's record, read when its first event comes.
local function record(id)
  local key = "godra:room:" .. id
  local known = call("HMGET", key, "epoch", "seq")
  local fresh = not known[1]
  local found = { id = id, key = key, epoch = known[1] or head[3], seq = tonumber(known[2] or 0), fresh = fresh, count = 0 }
  -- This node takes the events of the call's own room from the answer, and passes over their copy.
  found.message = { id == room and node or "", found.epoch, found.seq + 1, 0 }
  found.direct = {}
  rooms[id] = found
  order[#order + 1] = found
  return found
end

local function charge(size)
  bytes = bytes + size + 64
  if bytes > MAX_BYTES then error("too many events at once", 3) end
end

local names = {}
local function named(kind)
  local text = names[kind]
  if not text then
    if type(kind) ~= "string" and type(kind) ~= "number" then
      error("bad argument #1 (string expected, got " .. type(kind) .. ")", 3)
    end
    if RESERVED[kind] then error("welcome, reply, error, batch and snapshot are the server's own types", 3) end
    text = '{"type":' .. encode(tostring(kind)) .. ',"payload":'
    names[kind] = text
  end
  return text
end

local function append(found, text)
  charge(#text)
  found.count = found.count + 1
  found.message[4 + found.count] = text
end

local function own_room(what)
  if room == "" then error("godra." .. what .. " needs a room, and this call is in none", 3) end
  return rooms[room] or record(room)
end

local caller, user
local godra = {}
if room ~= "" then godra.room = room end
godra.now = now
godra.room_ttl = head[7]

function godra.publish(kind, payload)
  local start = named(kind)
  local found = own_room("publish")
  append(found, start .. encode(payload) .. ',"seq":' .. found.seq + found.count + 1 .. "}")
end

function godra.send(user_id, kind, payload)
  local text = named(kind) .. encode(payload) .. "}"
  local found = own_room("send")
  charge(#text)
  local direct = found.direct
  direct[#direct + 1] = tostring(user_id)
  direct[#direct + 1] = text
end

function godra.error(code, message, details)
  if type(code) ~= "string" and type(code) ~= "number" then
    error("bad argument #1 to 'error' (string expected, got " .. type(code) .. ")", 2)
  elseif type(message) ~= "string" and type(message) ~= "number" then
    error("bad argument #2 to 'error' (string expected, got " .. type(message) .. ")", 2)
  end
  if details ~= nil then details = encode(details) end
  error({ code = tostring(code), message = tostring(message), details = details }, 0)
end

-- What scripts rarely ask for is made when they do.
setmetatable(godra, { __index = function(_, name)
  if name ~= "user" then return nil end
  if not user then user = { id = caller[5][1], name = caller[6], role = caller[7] } end
  return user
end })

-- A ready event: the server numbers it, which the mark in front asks for.
local function publish_ready(channel, text)
  local id = type(channel) == "string" and string.match(channel, "^game_updates:game:([%w_-]+)$")
  if not id or #id > 64 then return 0 end
  local ok, event = pcall(decode, text)
  if not ok or type(event) ~= "table" or string.sub(text, 1, 64):match("^%s*{") == nil then
    return { err = "ERR an event must be a JSON object" }
  elseif type(event.type) ~= "string" then
    return { err = "ERR an event needs a string as its type" }
  elseif RESERVED[event.type] then
    return { err = "ERR welcome, reply, error, batch and snapshot are the server's own types" }
  end
  append(rooms[id] or record(id), "!" .. text)
  return 1
end

-- In place of redis for scripts that may publish by command.
local function is_publish(command, ...)
  return type(command) == "string" and #command == 7 and string.lower(command) == "publish" and select("#", ...) == 2
end
local publishing = setmetatable({
  call = function(command, ...)
    if not is_publish(command, ...) then return redis.call(command, ...) end
    local reply = publish_ready(...)
    if type(reply) == "table" then error(reply, 0) end
    return reply
  end,
  pcall = function(command, ...)
    if not is_publish(command, ...) then return redis.pcall(command, ...) end
    return publish_ready(...)
  end,
}, { __index = redis })

-- Errors that are the store's state and not the script's fault.
local AWAY = { READONLY = true, OOM = true, MISCONF = true, NOREPLICAS = true, MASTERDOWN = true }
local function is_away(text)
  return AWAY[string.match(text, "^%-?(%u+) ")] or false
end

local function failure(problem)
  if type(problem) == "table" then
    if type(problem.code) == "string" and type(problem.message) == "string" then
      return { "E", problem.code, problem.message, problem.details or "", 0 }
    end
    if type(problem.err) == "string" then
      if is_away(problem.err) then return { "E", "unavailable", problem.err, "", 0 } end
      local place = problem.line and "user_script:" .. problem.line .. ": " or ""
      return { "E", "script_error", place .. problem.err, "", 1 }
    end
    return { "E", "script_error", "(error object is a table value)", "", 1 }
  elseif type(problem) == "string" and is_away(problem) then
    return { "E", "unavailable", problem, "", 0 }
  elseif type(problem) == "string" or type(problem) == "number" then
    return { "E", "script_error", tostring(problem), "", 1 }
  end
  return { "E", "script_error", "(error object is a " .. type(problem) .. " value)", "", 1 }
end

-- Membership of a room: who holds it, by which connection of which node.
local function strike(uid, token)
  call("SREM", "godra:node:" .. string.match(token, "^[^ ]*") .. ":members", room .. " " .. uid .. " " .. token)
end

-- Before a leave: whether this membership is still the one that counts.
local function is_held(one)
  if call("HGET", "godra:members:" .. room, one[10]) == one[9] then return true end
  strike(one[10], one[9])
  return false
end

-- Whether somebody else holds it by now.
local function is_replaced(one)
  local held = call("HGET", "godra:members:" .. room, one[10])
  return held and held ~= one[9]
end

-- After a leave.
local function depart(one)
  call("HDEL", "godra:members:" .. room, one[10])
  strike(one[10], one[9])
end

-- After an arrival: notes it, and tells the node of an older socket of the same user.
local function arrive(one)
  local key, uid, token = "godra:members:" .. room, one[10], one[9]
  local held = call("HGET", key, uid)
  call("HSET", key, uid, token)
  if held then
    local holder = string.match(held, "^[^ ]*")
    strike(uid, held)
    if holder ~= node then
      call("PUBLISH", "game_updates:game:" .. room, cmsgpack.pack({ node, "replaced", uid, held }))
    end
  end
  call("SADD", "godra:node:" .. node .. ":members", room .. " " .. uid .. " " .. token)
end

local results = {}
local has_failed, has_worked = false, false
for number = 1, #calls do
  local one = calls[number]
  if has_failed and head[4] or one[8] == "leave" and not is_held(one)
    or one[8] == "confirm" and is_replaced(one) then
    results[number] = 1
  else
    local keys = {}
    for index = 1, one[3] do keys[index] = KEYS[one[2] + index] end
    caller, user = one, nil
    local run = godra_scripts[one[1]]
    local ok, value = pcall(run[1], keys, one[5], run[2] and publishing or redis, godra)
    if not ok then
      has_failed = true
      results[number] = failure(value)
    elseif type(value) == "table" and type(value.err) == "string" then
      has_failed = true
      results[number] = { "E", "script_error", value.err, "", 0 }
    else
      has_worked = true
      if one[8] == "enter" then arrive(one) end
      results[number] = one[4] and { "V", value } or 0
    end
    -- A leave that the store was in no state for comes again.
    local is_done = type(results[number]) ~= "table" or results[number][2] ~= "unavailable"
    if one[8] == "leave" and is_done then depart(one) end
  end
end

local own = rooms[room]
if not own and room ~= "" and has_worked then own = record(room) end
local message = ""
for _, found in ipairs(order) do
  local last = found.seq + found.count
  if found.count > 0 or found.fresh then
    call("HSET", found.key, "epoch", found.epoch, "seq", string.format("%.0f", last))
  end
  if found.fresh or head[5] or math.floor(found.seq / 1000) ~= math.floor(last / 1000) then
    call("EXPIRE", found.key, 604800)
  end
  if found.count > 0 or #found.direct > 0 then
    found.message[4] = found.count
    for _, text in ipairs(found.direct) do found.message[#found.message + 1] = text end
    local packed = cmsgpack.pack(found.message)
    call("PUBLISH", "game_updates:game:" .. found.id, packed)
    if found == own then message = packed end
  end
end
if own then return { own.epoch, own.seq + own.count, message, results } end
if room == "" then return { "", 0, "", results } end
local known = call("HMGET", "godra:room:" .. room, "epoch", "seq")
return { known[1] or "", tonumber(known[2] or 0), "", results }
