-- Gives what others may see of a player's profile.
--
-- DATA: profile/{arg:user_id}, friends/{arg:user_id}
-- ARGV: user_id, {user_id}
-- Returns JSON text: {user_id, username, name, avatar?, seen (ms)}. Error: not_found, also for whom that player has blocked.

local user_id = godra.payload.user_id
if type(user_id) ~= "string" then godra.error("bad_request", "user_id must be a text") end
local profile = godra.load("profile/" .. user_id)
if not profile or require("friends").has_blocked(user_id, godra.user.id) then
  godra.error("not_found", "There is no such player")
end
return cjson.encode(require("profiles").public(user_id, profile))
