-- Notes how late it is, tells the room, and is set again.
--
-- ROLE: server
-- KEYS: game:{room}:rang
-- ARGV: "", {"due": TIME, "left": how often it still rings}
-- Publishes rang {late}.

local timer = cjson.decode(ARGV[2])
local late = godra.now - timer.due
redis.call("HINCRBY", KEYS[1], string.format("%.0f", late), 1)
godra.publish("rang", { late = late })
if timer.left > 1 then
  local due = timer.due + 1000
  local again = { due = due, left = timer.left - 1 }
  godra.tell(godra.room, "timers_ring", again, { after = math.max(0, due - godra.now) })
end
