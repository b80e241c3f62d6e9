-- Tells how many are in rooms, and of users that the caller knows who of them is, and where: a game asks for a player's friends.
--
-- ROLE: guest
-- KEYS: presence
-- ARGV: user_id, users?
--   users   a JSON list of up to 100 user_ids
-- Returns JSON text: {online, users: {<user_id>: {username, since, rooms: [game:<id>, …]}}}; who is in no room is left out, and so
-- are rooms that are not public.

local MOST = 100

local wanted = {}
if ARGV[2] then
  local ok, users = pcall(cjson.decode, ARGV[2])
  if not ok or type(users) ~= "table" or #users > MOST then
    godra.error("bad_request", "users must be a JSON list of up to " .. MOST .. " user_ids")
  end
  wanted = users
end

local found = {}
for i = 1, #wanted do
  if type(wanted[i]) ~= "string" then godra.error("bad_request", "a user_id must be a text") end
  local text = redis.call("HGET", KEYS[1], wanted[i])
  if text then
    local known, rooms = cjson.decode(text), {}
    for _, room in ipairs(known.rooms) do
      if not room.private then rooms[#rooms + 1] = cjson.encode("game:" .. room.id) end
    end
    found[#found + 1] = string.format('%s:{"username":%s,"since":%.0f,"rooms":[%s]}',
      cjson.encode(wanted[i]), cjson.encode(known.username), known.since, table.concat(rooms, ","))
  end
end

return string.format('{"online":%d,"users":{%s}}', redis.call("HLEN", KEYS[1]), table.concat(found, ","))
