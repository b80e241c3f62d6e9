-- Tells how often the caller has saved.
--
-- ROLE: guest
-- DATA: loadtest/{user}
-- Returns a number.

local kept = godra.load("loadtest/" .. ARGV[1])
return kept and kept.count or 0
