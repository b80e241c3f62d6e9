-- Counts in the caller's document and keeps a text there. The answer and the event come once that is in the database.
--
-- ROLE: guest
-- DATA: loadtest/{user}
-- DURABLE: on
-- ARGV: user_id, {"n": NUMBER, "pad"?: TEXT}
-- Publishes saved {user_id, n} if it is called in a room. Returns OK.

local address, input = "loadtest/" .. ARGV[1], cjson.decode(ARGV[2])
local kept = godra.load(address) or { count = 0 }
godra.save(address, { count = kept.count + 1, pad = input.pad })
if godra.room then godra.publish("saved", { user_id = ARGV[1], n = input.n }) end
return "OK"
