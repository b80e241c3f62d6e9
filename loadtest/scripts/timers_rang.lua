-- Tells how late a room's timers rang.
--
-- ROLE: guest
-- KEYS: game:{room}, game:{room}:rang
-- Returns milliseconds and how many were so late, in turns, as texts.

return redis.call("HGETALL", KEYS[2])
