-- Gives the caller's items, and the open offers.
--
-- DATA: inventory/{user}
-- ARGV: user_id
-- Returns JSON text: {items: {<name>: number}, offers: [{user_id, version, by, gives, takes, ends_at}, …]}; see trade.lua

local bag = require("items").load(godra.user.id)

local ids, offers = {}, godra.array()
for id, offer in pairs(bag.offers) do
  if offer.ends_at > godra.now then ids[#ids + 1] = id end
end
table.sort(ids)
for i, id in ipairs(ids) do offers[i] = require("trades").view(godra.user.id, id, bag.offers[id]) end
return cjson.encode({ items = bag.items, offers = offers })
