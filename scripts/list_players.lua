-- Lists the members of a room, for managers.
--
-- ROLE: manager
-- KEYS: game:{room}, game:{room}:players, game:{room}:names, game:{room}:online, game:{room}:away
-- ROOM: 1
-- ARGV: user_id, room?
-- Returns JSON text: {players: [{user_id, username, online, away}, …]}, in the order of their ids. Who is away was online, and may
-- come back.

if redis.call("EXISTS", KEYS[1]) == 0 then
  godra.error("not_found", "Lobby does not exist")
end

local ids = redis.call("SMEMBERS", KEYS[2])
table.sort(ids)
local players = {}
for i, id in ipairs(ids) do
  local is_away = redis.call("SISMEMBER", KEYS[5], id) == 1
  players[i] = cjson.encode({
    user_id = id,
    username = redis.call("HGET", KEYS[3], id) or "",
    online = redis.call("SISMEMBER", KEYS[4], id) == 1 and not is_away,
    away = is_away,
  })
end
return '{"players":[' .. table.concat(players, ",") .. "]}"
