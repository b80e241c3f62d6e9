-- Trades items with a friend: one makes an offer, the other accepts it, and what both give changes hands in that one call.
--
-- Each offer has a version of its own, and whoever accepts says which: so nobody accepts what the other has changed in the meantime.
-- Nothing is set aside for an offer. What is there is looked at when it is accepted, and both documents are written together or
-- not at all, so that no item is ever with both or with neither.
--
-- DATA: inventory/{user}, inventory/{arg:user_id}, friends/{user}, friends/{arg:user_id}
-- KEYS: presence
-- ARGV: user_id, {verb, user_id, gives?, takes?, version?}
--   offer    gives and takes are {<item>: number}, what the caller gives and takes; takes the place of what was offered between the two
--   accept   the offer of that version, which the other has made
--   cancel   ends what is offered between the two, whoever has offered it
-- Returns JSON text: {status: "offered", version, ends_at}, {status: "traded", items} with all that the caller has now, or
--   {status: "none"}. Errors: forbidden (not a friend); not_found (no such offer); conflict (another version, with it as details; not enough of an
--   item).
-- Publishes trade_offered {user_id, version, gives, takes, ends_at} (from the other's point of view), traded {user_id, version, items}
--   and trade_cancelled {user_id} for the other, if it is in a room.

local items = require("items")
local view = require("trades").view

local OFFER_MS = 600000
local MAX_OFFERS = 20 -- of one player
local MAX_KINDS = 16 -- of one side

local me, request = godra.user.id, godra.payload
local other = request.user_id
if type(other) ~= "string" or #other > 64 then godra.error("bad_request", "user_id must be a text of up to 64 bytes") end
if other == me then godra.error("bad_request", "That is yourself") end

local mine, theirs = items.load(me), items.load(other)

local function drop_old(bag)
  for id, offer in pairs(bag.offers) do
    if offer.ends_at <= godra.now then bag.offers[id] = nil end
  end
end
drop_old(mine)
drop_old(theirs)

local function count(entries)
  local sum = 0
  for _ in pairs(entries) do sum = sum + 1 end
  return sum
end

local function save_both()
  items.save(me, mine)
  items.save(other, theirs)
end

local function tell(type, payload)
  payload.user_id = me
  require("notes").send(KEYS[1], other, type, payload)
end

local verbs = {}

function verbs.offer()
  local friends = require("friends")
  -- On both sides: of who has erased its account the caller still has a name.
  if not friends.load(me).friends[other] or not friends.load(other).friends[me] then godra.error("forbidden", "Only friends trade") end
  local gives, takes = request.gives or {}, request.takes or {}
  if items.check(gives, 1, MAX_KINDS) + items.check(takes, 1, MAX_KINDS) == 0 then
    godra.error("bad_request", "an offer gives or takes something")
  end
  if not mine.offers[other] then
    if count(mine.offers) >= MAX_OFFERS then godra.error("conflict", "Too many of your offers are open") end
    if count(theirs.offers) >= MAX_OFFERS then godra.error("conflict", "Too many offers wait for that player") end
  end
  items.change({ items = items.copy(mine.items) }, gives, -1)
  -- Above every version that either has seen.
  local version = math.max(mine.last_offer, theirs.last_offer) + 1
  local offer = { version = version, by = me, gives = gives, takes = takes, ends_at = godra.now + OFFER_MS }
  mine.last_offer, theirs.last_offer = version, version
  mine.offers[other], theirs.offers[me] = offer, offer
  save_both()
  tell("trade_offered", view(other, me, offer))
  return { status = "offered", version = version, ends_at = offer.ends_at }
end

function verbs.accept()
  local offer = mine.offers[other]
  if not offer or offer.by == me or not theirs.offers[me] then godra.error("not_found", "That player offers nothing") end
  if request.version ~= offer.version then
    godra.error("conflict", "The offer has changed: look at it again", view(me, other, offer))
  end
  -- What it gives is for the caller: the offer is told from its maker's side.
  items.change(theirs, offer.gives, -1)
  items.change(mine, offer.takes, -1)
  items.change(mine, offer.gives, 1)
  items.change(theirs, offer.takes, 1)
  mine.offers[other], theirs.offers[me] = nil, nil
  save_both()
  tell("traded", { version = offer.version, items = theirs.items })
  return { status = "traded", items = mine.items }
end

function verbs.cancel()
  if mine.offers[other] then
    mine.offers[other] = nil
    items.save(me, mine)
  end
  if theirs.offers[me] then
    theirs.offers[me] = nil
    items.save(other, theirs)
    tell("trade_cancelled", {})
  end
  return { status = "none" }
end

local verb = verbs[request.verb]
if not verb then godra.error("bad_request", "the verb must be offer, accept or cancel") end
return cjson.encode(verb())
