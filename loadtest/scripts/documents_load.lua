-- Loads the caller's document.
--
-- ROLE: guest
-- DATA: loadtest/{user}
-- ARGV: user_id, {"n": NUMBER}
-- Publishes loaded {user_id, n}. Returns OK.

local kept = godra.load("loadtest/" .. ARGV[1])
if not kept then godra.error("not_found", "nothing was saved before") end
godra.publish("loaded", { user_id = ARGV[1], n = cjson.decode(ARGV[2]).n })
return "OK"
