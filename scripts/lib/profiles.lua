-- Profiles: the document profile/<user_id> of each player who has called get_profile or set_profile once.
--   {username, name?, avatar?, settings: {name: text, number or boolean}, seen: ms}

local profiles = {}

local SEEN_MS = 300000 -- how old `seen` may get before it is written anew

-- What others get to see. Which fields these are is said here alone: settings and what a game adds stay the player's own.
function profiles.public(user_id, profile)
  return {
    user_id = user_id,
    username = profile.username,
    name = profile.name or profile.username,
    avatar = profile.avatar,
    seen = profile.seen,
  }
end

function profiles.name_of(user_id)
  local profile = godra.load("profile/" .. user_id)
  return profile and (profile.name or profile.username)
end

-- The caller's own, made if there is none yet; its version, and whether it is to be saved.
function profiles.own()
  local profile, version = godra.load("profile/" .. godra.user.id)
  local is_new = not profile
  profile = profile or { settings = {}, seen = 0 }
  local is_old = godra.now - profile.seen >= SEEN_MS or profile.username ~= godra.user.name
  if is_old then profile.seen, profile.username = godra.now, godra.user.name end
  return profile, version, is_new or is_old
end

function profiles.save(profile)
  return godra.save("profile/" .. godra.user.id, profile)
end

-- What its owner gets: JSON text.
function profiles.answer(profile, version)
  local answer = profiles.public(godra.user.id, profile)
  answer.settings, answer.version = profile.settings, version
  return cjson.encode(answer)
end

return profiles
