-- Quick match: a ticket in, a room out. A player enters, asks now and then how it stands, and joins the room that it is given.
--
-- ROLE: guest
-- KEYS: match:tickets, match:queue, match:users, match:made, match:ends, match:timer
-- ARGV: user_id, "enter", request?     waits for others who want the same
--       user_id, "party", ticket       joins a friend's ticket that has places for a party
--       user_id, "status"              how it stands; who does not ask for 30 s waits no longer
--       user_id, "accept"              is ready for the match that was found
--       user_id, "cancel"              waits no longer; so does the whole party
--   request   a JSON object: label (what is played: a-z, 0-9, _ and -, up to 32; "any"), size (players of a match, 2 to 64; 2),
--             min (how many are enough after ten seconds; size), skill (a number: near ones meet first), party (places for
--             friends and oneself, 1 to size; 1), ready (true: each has to accept within ten seconds), bots (true: after ten seconds bots
--             have the seats of who is missing)
-- Returns JSON text: {ticket, status, label, size, waited_ms, users: [user_id, …], and of some: places, ready_until, accepted,
--   room}; status is "party" (friends are missing), "waiting", "ready" (accept!), "opening", or "found" with the room. Without a
--   ticket: {status: "none"}.

local store = require("tickets")
local load, save, drop = store.load, store.save, store.drop

local user, verb = godra.user, ARGV[2]

-- Into the queue, in which those who want the same stand together, who has waited longest in front.
local function enqueue(ticket)
  ticket.status = "waiting"
  ticket.place = string.format("%s:%d:%s:%013.0f:%s", ticket.label, ticket.size, ticket.ready and 1 or 0, ticket.since, ticket.id)
  redis.call("ZADD", KEYS[2], 0, ticket.place)
  if not redis.call("GET", KEYS[6]) then
    redis.call("SET", KEYS[6], "-", "EX", 10)
    store.plan_pass()
  end
end

local function answer(ticket)
  if not ticket then return '{"status":"none"}' end
  local made = ticket.made and redis.call("HGET", KEYS[4], ticket.made)
  made = made and cjson.decode(made) or {}
  return cjson.encode({
    ticket = ticket.id,
    status = ticket.status,
    label = ticket.label,
    size = ticket.size,
    waited_ms = godra.now - ticket.since,
    users = ticket.users,
    places = ticket.status == "party" and ticket.party - #ticket.users or nil,
    ready_until = ticket.status == "ready" and made.ready_until or nil,
    accepted = ticket.status == "ready" and made.accepted and #made.accepted or nil,
    room = ticket.room,
  })
end

local function whole(value, least, most, name)
  if type(value) ~= "number" or value % 1 ~= 0 or value < least or value > most then
    godra.error("bad_request", name .. " must be a whole number from " .. least .. " to " .. most)
  end
  return value
end

local function read_request()
  local ok, request = pcall(cjson.decode, ARGV[3] or "{}")
  if not ok or type(request) ~= "table" then godra.error("bad_request", "the request must be a JSON object") end
  local label, skill, ready, bots = request.label or "any", request.skill or 0, request.ready, request.bots
  if type(label) ~= "string" or #label > 32 or not string.find(label, "^[a-z0-9_-]+$") then
    godra.error("bad_request", "label must be 1 to 32 of a-z, 0-9, _ and -")
  elseif type(skill) ~= "number" or not (skill >= -1e6 and skill <= 1e6) then
    godra.error("bad_request", "skill must be a number from -1000000 to 1000000")
  elseif ready ~= nil and type(ready) ~= "boolean" then
    godra.error("bad_request", "ready must be true or false")
  elseif bots ~= nil and type(bots) ~= "boolean" then
    godra.error("bad_request", "bots must be true or false")
  end
  local size = whole(request.size or 2, 2, 64, "size")
  return {
    label = label,
    size = size,
    min = whole(request.min or size, 1, size, "min"),
    skill = skill,
    party = whole(request.party or 1, 1, size, "party"),
    ready = ready or false,
    bots = bots or nil,
  }
end

local mine = load(redis.call("HGET", KEYS[3], user.id))

if verb == "enter" or verb == "party" then
  if mine and mine.status == "found" then
    -- That match is played: a new one may begin. Friends who have not looked yet still find the room.
    redis.call("HDEL", KEYS[3], user.id)
  elseif mine then
    godra.error("conflict", "you have a ticket already; cancel it first", { ticket = mine.id })
  end
end

if verb == "enter" then
  local ticket = read_request()
  ticket.id = string.format("%06x%06x%06x", math.random(0, 16777215), math.random(0, 16777215), math.random(0, 16777215))
  ticket.since = godra.now
  ticket.users, ticket.names = { user.id }, { user.name }
  if ticket.party > 1 then ticket.status = "party" else enqueue(ticket) end
  mine = ticket
elseif verb == "party" then
  mine = load(ARGV[3])
  if not mine or mine.status ~= "party" then godra.error("not_found", "there is no party with that ticket") end
  mine.users[#mine.users + 1], mine.names[#mine.names + 1] = user.id, user.name
  if #mine.users == mine.party then
    mine.since = godra.now
    enqueue(mine)
  end
elseif verb == "cancel" then
  if not mine then return answer() end
  if mine.status == "opening" or mine.status == "found" then
    godra.error("conflict", "the match has been made", { room = mine.room })
  end
  drop(mine)
  -- The others of a match that waits for this one learn of it at the next pass.
  if mine.made then redis.call("ZADD", KEYS[5], 0, mine.made) end
  return answer()
elseif verb == "accept" then
  local made = mine and mine.status == "ready" and redis.call("HGET", KEYS[4], mine.made)
  if not made then godra.error("conflict", "there is nothing to accept") end
  made = cjson.decode(made)
  local has = false
  for _, id in ipairs(made.accepted) do has = has or id == user.id end
  if not has then
    made.accepted[#made.accepted + 1] = user.id
    redis.call("HSET", KEYS[4], mine.made, cjson.encode(made))
    if #made.accepted == made.count then redis.call("ZADD", KEYS[5], 0, mine.made) end
  end
elseif verb ~= "status" then
  godra.error("bad_request", "the first argument must be enter, party, status, accept or cancel")
end

if mine then
  if verb == "enter" or verb == "party" then
    redis.call("HSET", KEYS[3], user.id, mine.id)
    save(mine)
  end
  if mine.status == "waiting" or mine.status == "party" then
    redis.call("ZADD", KEYS[5], godra.now + store.UNSEEN_MS, mine.id)
  end
end
return answer(mine)
