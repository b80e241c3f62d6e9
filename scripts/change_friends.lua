-- Makes friends, and ends it. Both players' documents are written by the one call, so they always agree.
--
-- DATA: friends/{user}, friends/{arg:user_id}, profile/{user}, profile/{arg:user_id}
-- KEYS: presence
-- ARGV: user_id, {verb, user_id}
--   ask       wants to be the player's friend; who has been asked by that player accepts
--   accept    becomes a friend of who has asked
--   decline   does not; the same player cannot ask again for a week
--   remove    ends a friendship, or takes back an own ask
--   block     ends it, too, and the player cannot ask nor see the caller's profile
--   unblock
-- Returns how it stands now: "friends", "asked", "none" or "blocked". Errors: not_found (no such player, or one who has blocked the
--   caller: nobody can tell which), conflict (a bound is reached, or that player has declined).
-- Publishes friend_asked and friend_accepted {user_id, name} for the other, if it is in a room.

local store = require("friends")
local profiles = require("profiles")

local MAX_FRIENDS, MAX_ASKED, MAX_ASKS, MAX_BLOCKED = 200, 50, 50, 200
local MAX_DECLINED = 50 -- of one player; the oldest is forgotten first
local DECLINED_MS = 7 * 86400000

local me, other = godra.user.id, godra.payload.user_id
if type(other) ~= "string" or #other > 64 then godra.error("bad_request", "user_id must be a text of up to 64 bytes") end
if other == me then godra.error("bad_request", "That is yourself") end

local mine, theirs = store.load(me), store.load(other)

-- As if there was no such player for whom that player has blocked.
local function check_other()
  if theirs.blocked[me] or not godra.load("profile/" .. other) then
    godra.error("not_found", "There is no such player")
  end
end

local function check_bound(entries, most, told)
  if store.count(entries) >= most then godra.error("conflict", told) end
end

local function forget(book, id)
  book.friends[id], book.asked[id], book.asks[id] = nil, nil, nil
end

local function keep_declined(book, id)
  book.declined[id] = godra.now
  while store.count(book.declined) > MAX_DECLINED do
    local oldest
    for known, at in pairs(book.declined) do
      if not oldest or at < book.declined[oldest] or at == book.declined[oldest] and known < oldest then oldest = known end
    end
    book.declined[oldest] = nil
  end
end

local function save_both()
  store.save(me, mine)
  -- What was erased with its account is not made anew.
  if godra.load("friends/" .. other) or godra.load("profile/" .. other) then store.save(other, theirs) end
end

local function my_name() return profiles.name_of(me) or godra.user.name end

local function tell(type)
  require("notes").send(KEYS[1], other, type, { user_id = me, name = my_name() })
end

local verbs = {}

function verbs.accept()
  if mine.friends[other] then return "friends" end
  if not mine.asks[other] then godra.error("not_found", "That player has not asked") end
  check_other()
  check_bound(mine.friends, MAX_FRIENDS, "You have as many friends as one can have")
  check_bound(theirs.friends, MAX_FRIENDS, "That player has as many friends as one can have")
  forget(mine, other)
  forget(theirs, me)
  mine.friends[other] = { name = profiles.name_of(other), since = godra.now }
  theirs.friends[me] = { name = my_name(), since = godra.now }
  mine.declined[other], theirs.declined[me] = nil, nil
  save_both()
  tell("friend_accepted")
  return "friends"
end

function verbs.ask()
  if mine.friends[other] then return "friends" end
  if mine.asked[other] then return "asked" end
  if mine.blocked[other] then godra.error("conflict", "You have blocked that player") end
  check_other()
  if mine.asks[other] then return verbs.accept() end
  local declined_at = theirs.declined[me]
  if declined_at and declined_at + DECLINED_MS > godra.now then
    godra.error("conflict", "That player has declined", { again_at = declined_at + DECLINED_MS })
  end
  check_bound(mine.friends, MAX_FRIENDS, "You have as many friends as one can have")
  check_bound(mine.asked, MAX_ASKED, "Too many of your asks are open")
  check_bound(theirs.asks, MAX_ASKS, "Too many asks wait for that player")
  mine.asked[other] = { name = profiles.name_of(other), at = godra.now }
  theirs.asks[me] = { name = my_name(), at = godra.now }
  save_both()
  tell("friend_asked")
  return "asked"
end

function verbs.decline()
  if not mine.asks[other] then return mine.friends[other] and "friends" or "none" end
  forget(mine, other)
  forget(theirs, me)
  keep_declined(mine, other)
  save_both()
  return "none"
end

function verbs.remove()
  if mine.friends[other] or mine.asked[other] then
    forget(theirs, me)
    local asks = mine.asks[other]
    forget(mine, other)
    mine.asks[other] = asks
    save_both()
  end
  return mine.blocked[other] and "blocked" or "none"
end

function verbs.block()
  if mine.blocked[other] then return "blocked" end
  check_bound(mine.blocked, MAX_BLOCKED, "You have blocked as many players as one can")
  local were_linked = mine.friends[other] or mine.asked[other] or mine.asks[other]
  forget(mine, other)
  forget(theirs, me)
  mine.blocked[other] = godra.now
  if were_linked then save_both() else store.save(me, mine) end
  return "blocked"
end

function verbs.unblock()
  if mine.blocked[other] then
    mine.blocked[other] = nil
    store.save(me, mine)
  end
  return mine.friends[other] and "friends" or "none"
end

local verb = verbs[godra.payload.verb]
if not verb then godra.error("bad_request", "the verb must be ask, accept, decline, remove, block or unblock") end
return verb()
