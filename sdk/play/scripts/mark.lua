-- Notes a mark; tells the room of it, and the caller alone that it was theirs. With `fail` all of that is undone by an error.
--
-- ROLE: guest
-- KEYS: game:{room}:marks, game:{room}:marks_count
-- ARGV: user_id, {"mark": TEXT, "fail"?: BOOLEAN}
-- Publishes marked {user_id, mark} to everybody, and right behind it yours {mark} to the caller. Returns how many marks there are now.

local input = cjson.decode(ARGV[2])
local place = redis.call("RPUSH", KEYS[1], input.mark)
redis.call("INCR", KEYS[2])
godra.publish("marked", { user_id = ARGV[1], mark = input.mark })
godra.publish("yours", { mark = input.mark }, { to = ARGV[1] })
if input.fail then godra.error("as_asked", "it was to fail") end
return place
