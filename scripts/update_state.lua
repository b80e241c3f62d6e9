-- The action "set" merges the fields of its payload into the room's state, where null removes a field. Other actions that
-- you add to the line ACTIONS are only passed on to everybody in the room; all that have no script anywhere are refused.
--
-- ROLE: guest
-- ACTIONS: set
-- KEYS: game:{room}, game:{room}:players, game:{room}:state
-- ROOM: 2
-- ARGV: user_id, {"action": NAME, "payload": ANY}, room?
-- Publishes state {user_id, action, payload}. Returns OK.

local unpack = table.unpack or unpack -- Lua 5.4 has it there, 5.1 here
local MAX_FIELDS = 128 -- of a room's state
local MAX_NAME_BYTES, MAX_VALUE_BYTES = 64, 4096 -- of a field; its value as JSON text
-- What other scripts keep in the state, and no player sets: whose turn it is, what the arena shows. Add your game's own.
local OWN = { turns = true, arena = true, gems = true, scores = true }

-- The payload goes on as the text that it is, because cjson would turn [] into {} and round long numbers. So the message
-- is cut up by hand, once it is certain that it is JSON.

local function decode(text)
  local ok, value = pcall(cjson.decode, text)
  if not ok then return nil, "the message cannot be read: " .. value end
  if not pcall(cjson.encode, value) then -- what cjson reads but nobody can write: NaN and infinity, also as 1e999
    return nil, "a number in the message is not finite: at most 1.7976931348623157e308"
  end
  -- It also reads 0x10, 010 and line breaks in strings. So look at what is left without strings and words.
  local bare = string.gsub(string.gsub(text, "\\.", ""), '"[^"%z\1-\31]*"', "")
  bare = " " .. string.gsub(string.gsub(string.gsub(bare, "true", ""), "false", ""), "null", "") .. " "
  for _, wrong in ipairs({ "[^%d%s.,:eE+%-%[%]{}]", "[^%d.eE+%-]%-?0%d", "[^eE]%+", "%.%D", "%D%." }) do
    if string.find(bare, wrong) then return nil, "the message is not JSON" end
  end
  return value
end

local function string_end(text, at)
  at = string.find(text, '["\\]', at + 1)
  while string.byte(text, at) == 92 do -- a backslash, and what it stands before
    at = string.find(text, '["\\]', at + 2)
  end
  return at
end

local function value_end(text, at)
  local first = string.sub(text, at, at)
  if first == '"' then return string_end(text, at) end
  if first ~= "{" and first ~= "[" then return string.find(text, "[%s,}]", at) - 1 end
  local depth = 0
  repeat
    at = string.find(text, '["%[%]{}]', at)
    local sign = string.sub(text, at, at)
    if sign == '"' then at = string_end(text, at) end
    if sign == "{" or sign == "[" then depth = depth + 1 end
    if sign == "}" or sign == "]" then depth = depth - 1 end
    at = at + 1
  until depth == 0
  return at - 1
end

-- The fields of an object as a list of names, and the text of each one's value.
local function fields_of(text)
  local names, values = {}, {}
  local at = string.find(text, '["}]')
  while string.sub(text, at, at) == '"' do
    local name_end = string_end(text, at)
    local start = string.find(text, "[^%s:]", name_end + 1)
    local stop = value_end(text, start)
    local name = cjson.decode("[" .. string.sub(text, at, name_end) .. "]")[1]
    if not values[name] then names[#names + 1] = name end
    values[name] = string.sub(text, start, stop)
    at = string.find(text, '["}]', stop + 1)
  end
  return names, values
end

local message, why = decode(ARGV[2] or "")
if message == nil then godra.error("bad_request", why) end
if not string.find(ARGV[2], "^%s*{") then
  godra.error("bad_request", "message must be a JSON object {action, payload}")
end
local action = message.action
if type(action) ~= "string" or #action < 1 or #action > MAX_NAME_BYTES then
  godra.error("bad_request", "action must be a text of 1 to " .. MAX_NAME_BYTES .. " bytes")
end
local _, parts = fields_of(ARGV[2])
local payload = parts.payload or "null"

if redis.call("SISMEMBER", KEYS[2], ARGV[1]) == 0 then
  godra.error("forbidden", "You are not in this lobby")
end

if action == "set" then
  if string.sub(payload, 1, 1) ~= "{" then
    godra.error("bad_request", "payload of set must be a JSON object")
  end
  local names, values = fields_of(payload)
  if #names == 0 or #names > MAX_FIELDS then
    godra.error("bad_request", "payload of set must have 1 to " .. MAX_FIELDS .. " fields")
  end

  local before = redis.call("HMGET", KEYS[3], unpack(names))
  local count = redis.call("HLEN", KEYS[3])
  for i, name in ipairs(names) do
    if OWN[name] then godra.error("forbidden", "the field " .. name .. " is the game's own") end
    local was, is = before[i] ~= false, values[name] ~= "null"
    count = count + (is and 1 or 0) - (was and 1 or 0)
    if #name < 1 or #name > MAX_NAME_BYTES or #values[name] > MAX_VALUE_BYTES then
      godra.error("too_large", "a field takes a name of " .. MAX_NAME_BYTES .. " and a value of " .. MAX_VALUE_BYTES .. " bytes")
    end
  end
  if count > MAX_FIELDS then
    godra.error("too_large", "a room's state takes " .. MAX_FIELDS .. " fields")
  end

  for _, name in ipairs(names) do
    if values[name] == "null" then
      redis.call("HDEL", KEYS[3], name)
    else
      redis.call("HSET", KEYS[3], name, values[name])
    end
  end
  -- The state must not outlast a room that nobody is connected to.
  local left_ms = redis.call("PTTL", KEYS[1])
  if left_ms > 0 then redis.call("PEXPIRE", KEYS[3], left_ms) end
end

local event = '{"type":"state","payload":{"user_id":' .. cjson.encode(ARGV[1])
  .. ',"action":' .. cjson.encode(action) .. ',"payload":' .. payload .. "}}"
redis.call("PUBLISH", "game_updates:" .. KEYS[1], event)
return "OK"
