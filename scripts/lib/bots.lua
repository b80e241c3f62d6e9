-- Bots of a room: members with ids such as "bot:1". `keys` names the room's keys: players, names, positions, bots.

local bots = {}

bots.MOST = 16
bots.BEAT_MS = 250 -- between two moves

local NAMES = { "Ada", "Bo", "Cleo", "Dot", "Emil", "Fay", "Gus", "Hal", "Ida", "Jo", "Kit", "Lou", "Max", "Nell", "Otto", "Pip" }

-- Fills up to `count` seats of a room that has so many members, and begins to move who sits there. Returns how many members there
-- are then.
function bots.add(count, members, room, keys)
  for number = 1, bots.MOST do
    local id = "bot:" .. number
    if count == 0 or members >= room.capacity then break end
    if redis.call("SADD", keys.players, id) == 1 then
      local x, y = math.floor(math.random() * room.width), math.floor(math.random() * room.height)
      redis.call("HSET", keys.names, id, NAMES[number])
      redis.call("HSET", keys.positions, id, struct.pack("<ddd", x, y, godra.now))
      redis.call("HSET", keys.bots, id, godra.now)
      godra.publish("player_joined", { user_id = id, username = NAMES[number], x = x, y = y, bot = true })
      members, count = members + 1, count - 1
    end
  end
  bots.go_on()
  return members
end

-- They move next after a beat.
function bots.go_on()
  godra.tell(godra.room, "move_bots", {}, { after = bots.BEAT_MS, name = "bots" })
end

return bots
