-- Lists the members of a room, for managers.
--
-- ROLE: manager
-- KEYS: game:{room}, game:{room}:players, game:{room}:names, game:{room}:online
-- ROOM: 1
-- ARGV: user_id, room?
-- Returns JSON text: {players: [{user_id, username, online}, …]}, in the order of their ids.

if redis.call("EXISTS", KEYS[1]) == 0 then
  godra.error("not_found", "Lobby does not exist")
end

local ids = redis.call("SMEMBERS", KEYS[2])
table.sort(ids)
local players = {}
for i, id in ipairs(ids) do
  players[i] = cjson.encode({
    user_id = id,
    username = redis.call("HGET", KEYS[3], id) or "",
    online = redis.call("SISMEMBER", KEYS[4], id) == 1,
  })
end
return '{"players":[' .. table.concat(players, ",") .. "]}"
