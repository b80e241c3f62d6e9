-- The daily reward: once each day (UTC), more on each day in a row. However often it is claimed, a day's counts once: the day and
-- what it gives are in documents that are written together.
--
-- DATA: daily/{user}, inventory/{user}
-- ARGV: user_id, {claim?, remind?}
--   claim    false: only looks
--   remind   true, over a socket: daily_ready comes to the caller in this room when the next day has begun
-- Returns JSON text: {claimed: whether this call did it, is_open: whether there is something to claim, streak, reward: {<item>: number} of
--   this day (or of the next one to claim), next_at: when the next day begins (ms), reminds: true or false}

local DAY_MS = 86400000
-- What the first day in a row gives, the second, and so on; the last one from then on.
local REWARDS = { { coin = 10 }, { coin = 15 }, { coin = 20 }, { coin = 25 }, { coin = 30 }, { coin = 40 }, { coin = 50, gem = 1 } }

local name = "daily/" .. godra.user.id
local options = godra.payload
if type(options) ~= "table" then options = {} end

local day = math.floor(godra.now / DAY_MS)
local next_at = (day + 1) * DAY_MS
local daily = godra.load(name) or { day = 0, streak = 0 }

-- A clock that was set back gives nothing a second time.
local is_open = daily.day < day
local streak = daily.streak
if daily.day < day - 1 then streak = 0 end
local reward = REWARDS[math.min(is_open and streak + 1 or streak, #REWARDS)]

local claimed = false
if is_open and options.claim ~= false then
  local items = require("items")
  local bag = items.load(godra.user.id)
  items.change(bag, reward, 1)
  items.save(godra.user.id, bag)
  streak = streak + 1
  godra.save(name, { day = day, streak = streak })
  claimed, is_open = true, false
end

-- The room's own timer, one of each player: it ends with nobody there, and no player can fill up what is shared by all.
local reminds = false
if options.remind == true and godra.room and not is_open then
  reminds = pcall(godra.tell, godra.room, "deliver_note", { to = godra.user.id, type = "daily_ready", payload = { streak = streak } },
    { after = next_at - godra.now, name = "daily:" .. godra.user.id })
end

return cjson.encode({
  claimed = claimed, is_open = is_open, streak = streak, reward = reward, next_at = next_at, reminds = reminds,
})
