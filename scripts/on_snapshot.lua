-- Hook: all there is to know of a room, for members who come in or have missed something.
--
-- KEYS: game:{room}, game:{room}:names, game:{room}:positions, game:{room}:state, game:{room}:away
-- ARGV: user_id
-- Returns JSON text: {owner, capacity, status, created_at, bounds, max_speed,
--   players: {<user_id>: {user_id, username, x?, y?, away?}}, state: {<field>: <value>}}

local function hash(key)
  local flat, fields = redis.call("HGETALL", key), {}
  for i = 1, #flat, 2 do fields[flat[i]] = flat[i + 1] end
  return fields
end

local room = hash(KEYS[1])
local about = cjson.encode({
  owner = room.owner,
  capacity = tonumber(room.capacity),
  status = room.status,
  created_at = tonumber(room.created_at),
  bounds = { min_x = 0, min_y = 0, max_x = tonumber(room.width) or 1000, max_y = tonumber(room.height) or 1000 },
  max_speed = tonumber(room.max_speed),
})

local away = {}
for _, user_id in ipairs(redis.call("SMEMBERS", KEYS[5])) do away[user_id] = true end

-- The largest lobby has 5000 members, and this must end well within the time that a call has.
local players, positions = {}, hash(KEYS[3])
local names = redis.call("HGETALL", KEYS[2])
for i = 1, #names, 2 do
  local user_id = names[i]
  local id, position = cjson.encode(user_id), positions[user_id]
  local place = ""
  if position then
    local x, y = struct.unpack("<dd", position)
    place = string.format(',"x":%.14g,"y":%.14g', x, y)
  end
  players[#players + 1] = id .. ':{"user_id":' .. id .. ',"username":' .. cjson.encode(names[i + 1]) .. place
    .. (away[user_id] and ',"away":true}' or "}")
end

-- Values are JSON text already. Writing them out as they are keeps what cjson would change: [] and long numbers.
local state = {}
for field, value in pairs(hash(KEYS[4])) do
  if not pcall(cjson.decode, value) then value = cjson.encode(value) end
  state[#state + 1] = cjson.encode(field) .. ":" .. value
end

return string.sub(about, 1, -2)
  .. ',"players":{' .. table.concat(players, ",") .. '},"state":{' .. table.concat(state, ",") .. "}}"
