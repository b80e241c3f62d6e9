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

-- The largest lobby has 5000 members, and this must end well within the time that a call has: so their positions are asked for by the
-- hundred, and all are written at once.
local AT_ONCE = 100
local players, names = {}, redis.call("HGETALL", KEYS[2])
local struct_unpack, unpack = struct.unpack, table.unpack or unpack
for first = 1, #names, 2 * AT_ONCE do
  local last, ids = math.min(first + 2 * AT_ONCE, #names + 1) - 2, {}
  for i = first, last, 2 do ids[#ids + 1] = names[i] end
  local positions = redis.call("HMGET", KEYS[3], unpack(ids))
  for i = 1, #ids do
    local user_id, position, x, y = ids[i], positions[i], nil, nil
    if position then x, y = struct_unpack("<dd", position) end
    players[user_id] = { user_id = user_id, username = names[first + 2 * i - 1], x = x, y = y, away = away[user_id] }
  end
end

-- Values are JSON text already. Writing them out as they are keeps what cjson would change: [] and long numbers.
local state = {}
for field, value in pairs(hash(KEYS[4])) do
  if not pcall(cjson.decode, value) then value = cjson.encode(value) end
  state[#state + 1] = cjson.encode(field) .. ":" .. value
end

return string.sub(about, 1, -2)
  .. ',"players":' .. cjson.encode(players) .. ',"state":{' .. table.concat(state, ",") .. "}}"
