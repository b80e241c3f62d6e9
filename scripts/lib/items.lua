-- What players own: the document inventory/<user_id> of each player.
--   {items: {<name>: how many}, offers: {<user_id>: see trade.lua}, last_offer: number}

local items = {}

local MAX_KINDS = 256 -- of one player
local MOST = 1000000000 -- of one kind

function items.load(user_id)
  local bag = godra.load("inventory/" .. user_id)
  return bag or { items = {}, offers = {}, last_offer = 0 }
end

-- Only another player's document needs to be told whose it is.
function items.save(user_id, bag)
  godra.save("inventory/" .. user_id, bag, { owner = user_id })
end

-- {<name>: a whole number from `least`}, up to `most` of them. Anything else ends the call with bad_request.
function items.check(list, least, most)
  if type(list) ~= "table" then godra.error("bad_request", "items must be an object of names and numbers") end
  local count = 0
  for name, number in pairs(list) do
    count = count + 1
    if type(name) ~= "string" or #name > 64 or not string.find(name, "^[a-z0-9_]+$") then
      godra.error("bad_request", "an item's name must be 1 to 64 of a-z, 0-9 and _")
    elseif type(number) ~= "number" or number % 1 ~= 0 or not (number >= least and number <= MOST) then
      godra.error("bad_request", "of an item there must be a whole number from " .. least .. " to " .. MOST)
    end
  end
  if count > most then godra.error("bad_request", "these are more than " .. most .. " kinds of items") end
  return count
end

-- Adds (`sign` 1) or takes away (-1) what is listed. What cannot be ends the call with conflict, and so nothing of it has happened.
function items.change(bag, list, sign)
  for name, number in pairs(list) do
    local after = (bag.items[name] or 0) + sign * number
    if after < 0 then
      godra.error("conflict", "There is not enough " .. name, { item = name, has = bag.items[name] or 0 })
    elseif after > MOST then
      godra.error("conflict", "Nobody can have so much " .. name, { item = name })
    end
    bag.items[name] = after > 0 and after or nil
  end
  local kinds = 0
  for _ in pairs(bag.items) do kinds = kinds + 1 end
  if kinds > MAX_KINDS then godra.error("conflict", "An inventory has up to " .. MAX_KINDS .. " kinds of items") end
end

function items.copy(list)
  local copy = {}
  for name, number in pairs(list) do copy[name] = number end
  return copy
end

-- Gives a user items, takes those below 0, and tells the user of it by what `presence` (the key) knows. Returns what there is of them.
function items.give(user_id, list, presence)
  if type(user_id) ~= "string" or #user_id > 64 then godra.error("bad_request", "user_id must be a user's id, a text") end
  items.check(list, -MOST, MAX_KINDS)
  local bag, now = items.load(user_id), {}
  items.change(bag, list, 1)
  items.save(user_id, bag)
  for name in pairs(list) do now[name] = bag.items[name] or 0 end
  require("notes").send(presence, user_id, "items_changed", { items = now })
  return now
end

return items
