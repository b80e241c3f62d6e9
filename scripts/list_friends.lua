-- Lists the caller's friends, who of them is online and where, and the open asks.
--
-- DATA: friends/{user}
-- KEYS: presence
-- ARGV: user_id
-- Returns JSON text: {friends: [{user_id, name, since, online, rooms: [game:<id>, …]}], asks: [{user_id, name, at}], asked: [the same],
--   blocked: [user_id, …]}, each in the order of its user_ids. Rooms that are not public are left out.

local book = require("friends").load(godra.user.id)

local function list(entries, show)
  local ids, shown = {}, godra.array()
  for id in pairs(entries) do ids[#ids + 1] = id end
  table.sort(ids)
  for i, id in ipairs(ids) do shown[i] = show(id, entries[id]) end
  return shown
end

local function friend(id, entry)
  local known = redis.call("HGET", KEYS[1], id)
  local rooms = godra.array()
  for _, room in ipairs(known and cjson.decode(known).rooms or {}) do
    if not room.private then rooms[#rooms + 1] = "game:" .. room.id end
  end
  return { user_id = id, name = entry.name, since = entry.since, online = known and true or false, rooms = rooms }
end
local function ask(id, entry) return { user_id = id, name = entry.name, at = entry.at } end

return cjson.encode({
  friends = list(book.friends, friend),
  asks = list(book.asks, ask),
  asked = list(book.asked, ask),
  blocked = list(book.blocked, function(id) return id end),
})
