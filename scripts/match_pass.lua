-- Makes matches of the tickets that wait, twice a second while there are any. `quick_match` starts it.
--
-- ROLE: server
-- KEYS: match:tickets, match:queue, match:users, match:made, match:ends, match:timer

local store = require("tickets")
local load, save, drop = store.load, store.save, store.drop

local CHUNK = 256 -- tickets looked at in one pass; the next one goes on behind them
local READY_MS = 10000
local PATIENCE_MS = 10000 -- after which `min` players are enough, or bots have the seats of who is missing
local SKILL, SKILL_A_SECOND = 50, 25 -- how far apart skills may be at first, and how much farther with each second
local OPENING_MS = 60000 -- after which a room is given up that has not come to be

-- A match whose players are all there gets its room.
local function open(made, tickets)
  local users = {}
  for _, ticket in ipairs(tickets) do
    ticket.status, ticket.room = "opening", nil
    save(ticket)
    for i, id in ipairs(ticket.users) do users[#users + 1] = { id = id, name = ticket.names[i] } end
  end
  made.is_opening = true
  redis.call("HSET", KEYS[4], made.id, cjson.encode(made))
  redis.call("ZADD", KEYS[5], godra.now + OPENING_MS, made.id)
  godra.tell(made.id, "open_match", { label = made.label, size = made.size, users = users, bots = made.bots })
end

-- A ready check is over: all have accepted, or time is, or somebody has cancelled. Who has accepted waits on in the old place. A
-- match that gets no room ends: its players may enter anew.
local function settle(made)
  local has_accepted, tickets = {}, {}
  for _, id in ipairs(made.accepted) do has_accepted[id] = true end
  for _, id in ipairs(made.tickets) do tickets[#tickets + 1] = load(id) or nil end
  if made.is_opening then
    redis.call("HDEL", KEYS[4], made.id)
    redis.call("ZREM", KEYS[5], made.id)
    for _, ticket in ipairs(tickets) do drop(ticket) end
    return
  end
  if #made.accepted == made.count and #tickets == #made.tickets then return open(made, tickets) end

  redis.call("HDEL", KEYS[4], made.id)
  redis.call("ZREM", KEYS[5], made.id)
  local is_over = godra.now >= made.ready_until
  for _, ticket in ipairs(tickets) do
    local is_ready = true
    for _, id in ipairs(ticket.users) do is_ready = is_ready and has_accepted[id] end
    if is_ready or not is_over then
      ticket.status, ticket.made = "waiting", nil
      save(ticket)
      redis.call("ZADD", KEYS[2], 0, ticket.place)
      redis.call("ZADD", KEYS[5], godra.now + store.UNSEEN_MS, ticket.id)
    else
      drop(ticket)
    end
  end
end

local due = redis.call("ZRANGEBYSCORE", KEYS[5], "-inf", godra.now, "LIMIT", 0, 100)
for _, id in ipairs(due) do
  local made = redis.call("HGET", KEYS[4], id)
  local ticket = not made and load(id)
  if made then
    settle(cjson.decode(made))
  elseif ticket then
    drop(ticket)
  else
    redis.call("ZREM", KEYS[5], id)
  end
end

local function make(tickets, count, with_bots)
  local first = tickets[1]
  local made = {
    id = string.format("match-%06x%06x%06x", math.random(0, 16777215), math.random(0, 16777215), math.random(0, 16777215)),
    label = first.label,
    size = first.size,
    count = count,
    bots = with_bots or nil,
    tickets = {},
    accepted = {},
    ready_until = godra.now + READY_MS,
  }
  for i, ticket in ipairs(tickets) do
    made.tickets[i] = ticket.id
    ticket.made, ticket.status = made.id, "ready"
    redis.call("ZREM", KEYS[2], ticket.place)
    redis.call("ZREM", KEYS[5], ticket.id)
    save(ticket)
  end
  if not first.ready then return open(made, tickets) end
  redis.call("HSET", KEYS[4], made.id, cjson.encode(made))
  redis.call("ZADD", KEYS[5], made.ready_until, made.id)
end

local function waited(ticket)
  return math.max(0, godra.now - ticket.since)
end

local function reach(ticket)
  return SKILL + SKILL_A_SECOND * waited(ticket) / 1000
end

-- Of tickets that are too few, those to which bots are as good as players.
local function those_with_bots(tickets, places)
  local group, count, at = {}, 0, {}
  for i, ticket in ipairs(tickets) do
    if ticket.bots then
      group[#group + 1], at[#at + 1], count = ticket, places[i], count + #ticket.users
    end
  end
  return group, count, at
end

-- Matches of tickets that want the same: around each, the longest waiting first, those that fit.
local function match(tickets)
  local taken = {}
  for i, first in ipairs(tickets) do
    if not taken[i] then
      local group, count, places = { first }, #first.users, { i }
      for j = i + 1, #tickets do
        local other = tickets[j]
        local is_near = math.abs(first.skill - other.skill) <= math.min(reach(first), reach(other))
        if count == first.size then break end
        if not taken[j] and is_near and count + #other.users <= first.size then
          group[#group + 1], places[#places + 1], count = other, j, count + #other.users
        end
      end
      local is_enough = count == first.size
      if not is_enough and waited(first) >= PATIENCE_MS then
        is_enough = true
        for _, ticket in ipairs(group) do is_enough = is_enough and count >= ticket.min end
      end
      local with_bots = not is_enough and first.bots and waited(first) >= PATIENCE_MS
      if with_bots then group, count, places = those_with_bots(group, places) end
      if is_enough or with_bots then
        for _, place in ipairs(places) do taken[place] = true end
        make(group, count, with_bots)
      end
    end
  end
end

-- On from where the last pass ended; those who want the same stand one behind another.
local from = redis.call("GET", KEYS[6]) or "-"
local places = redis.call("ZRANGEBYLEX", KEYS[2], from, "+", "LIMIT", 0, CHUNK)
local begun, same, begins_at = nil, {}, 1
for i, place in ipairs(places) do
  local kind = string.match(place, "^([^:]+:%d+:%d:)")
  if kind ~= begun then
    match(same)
    begun, same, begins_at = kind, {}, i
  end
  same[#same + 1] = load(string.match(place, "[^:]+$")) or nil
end
match(same)

-- If there are more, those of the last kind are looked at together with the rest of it, unless they fill a pass of their own.
local next_from = "-"
if #places == CHUNK then
  next_from = begins_at > 1 and "[" .. places[begins_at] or "(" .. places[CHUNK]
end

if redis.call("ZCARD", KEYS[2]) > 0 or redis.call("ZCARD", KEYS[5]) > 0 then
  redis.call("SET", KEYS[6], next_from, "EX", 10) -- should a pass break, the next who enters begins anew
  store.plan_pass()
else
  redis.call("DEL", KEYS[6])
end
