-- Begins the arena's game in the caller's room, unless it is on: gems to collect against the clock, round by round.
--
-- ROLE: guest
-- KEYS: game:{room}:players, game:{room}:arena
-- ARGV: user_id
-- Returns OK. See arena_beat.lua for what happens then.

if redis.call("SISMEMBER", KEYS[1], ARGV[1]) == 0 then
  godra.error("forbidden", "You are not in this lobby")
end
if redis.call("HEXISTS", KEYS[2], "phase") == 0 then
  redis.call("HSET", KEYS[2], "phase", "new", "round", 0)
  godra.tell(godra.room, "arena_beat", {}, { name = "arena" })
end
return "OK"
