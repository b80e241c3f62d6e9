-- Hook: a member's socket was lost. The seat is kept for a while: on_resume or on_disconnect follows.
--
-- KEYS: game:{room}, game:{room}:players, game:{room}:away
-- ARGV: user_id, game_id
-- Publishes player_away {user_id, username}, unless the user has left by leave_lobby before.

local user = godra.user
if redis.call("SISMEMBER", KEYS[2], user.id) == 1 and redis.call("SADD", KEYS[3], user.id) == 1 then
  godra.publish("player_away", { user_id = user.id, username = user.name })
end
