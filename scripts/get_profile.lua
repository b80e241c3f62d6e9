-- Gives the caller's own profile, made if there is none yet. A game calls it when it starts, so it also notes when the player was
-- last seen: no hook has to, and who has no profile costs nothing.
--
-- DATA: profile/{user}
-- ARGV: user_id
-- Returns JSON text: {user_id, username, name, avatar?, settings, seen (ms), version}

local profiles = require("profiles")

local profile, version, is_changed = profiles.own()
if is_changed then version = profiles.save(profile) end
return profiles.answer(profile, version)
