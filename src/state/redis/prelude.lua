-- Runs the calls of a batch one after another. In front of this come the scripts, as
-- godra_scripts[i] = { function(KEYS, ARGV, redis, godra), whether it may publish by command, whether a failing call changes
-- nothing, whether it may pick without being atomic, "GAME~" if it is of a game other than the default one, false if it is the server's own,
-- is_durable = true if what its calls save is waited for }, behind them the running call's place (number) and time, what the program
-- takes from the server's own tables: OWN_KEYS and CHANNELS (what the names of the server's keys and of rooms' channels begin with),
-- check_result, is_reserved(type) (whether it is not an event's) and RESERVED_TYPE (what to say), MAX_DEPTH
-- (of payloads) and TOO_DEEP; what undoes a call: atomic_commands, keep_changes and undo_changes; what picks: get_picks; what
-- few batches need: make_part(name), which gives what makes groups, membership, numbered (inputs), ticks or history (a room's latest
-- events); what ends with a room: settle_lifetimes; messages
-- between rooms: make_mail, nil if no script has to do with them; make_guard, nil if there is one game; what may be published: is_utf8, NOT_UTF8, MAX_CALL_BYTES, FULL_BYTES
-- and TOO_MUCH; and the bound of an error's details, MAX_DETAILS_BYTES.
-- KEYS[1]: the room's record (a hash of epoch and seq), or the name of no key for calls without a room; then the scripts' keys
-- ARGV[1..6]: room or "", node, epoch if the room has none, flags, the first call's seed (each has the next), room_ttl; the
--   flags are "e" (calls from outside, of who may be no member), "s" (stop on error), "l" (the last call is skipped if none before it has worked), "r" (refresh the record), "f" (the
--   store is full, so that messages tell nothing), "g"
--   with a number (calls may be given back for which there is no time, which is looked at every so many calls), and at the end
--   "h" with places in the room's history, epoch:seq with commas between them: of callers who want what they missed. If all is
--   there of all who enter or confirm, "l" skips the last call, too
-- ARGV[7]: msgpack of runs of calls alike, one list of eight numbers each: script, keys in front, number of keys,
--   result wanted (1), number of arguments, caller named (1), step (0 none, 1 enter, 2 leave, 3 confirm, 4 numbered input,
--   5 enter if the caller's membership is noted, 6 enter unless 5 has run for the same, 7 gone if no membership of the caller is
--   noted, 8 a tick, 9 a message, if it is still there: the store puts its payload in, 10 undo an entry of which nobody knows
--   whether it ran, 11 the same where an older membership stands), number of calls
-- ARGV[8..]: of each call its arguments, "role name" of its caller if the script may ask (with "{" or "[" in front if it may ask
--   for its payload, see payload.lua), and with a step its membership
--   or its number, or of a tick its interval and the script's name, or of a message its id
-- Returns {epoch, seq, the room's message or "", 0 if all is done, or one entry a call, the microseconds that it took, or if
--   they are many, a list of spans: number of calls, microseconds; godra.now, or if something was told or printed, or waits, a list of it, of
--   how many milliseconds there are until something is due (-1 if nothing was told), of what was printed (each line's place
--   and text), and if calls wait for what they have saved, of what (see documents/program.lua); if any enter, of each of these the last numbered
--   input that ran; with "h" what was missed before this batch: after which number, and entries of the history}; an entry is 0
--   (done), 1 (skipped), 2 (given back), {"V", value?}, {"E", code, message, details, source: 0 the script's, 1
--   its fault, 2 the server's}, {"D"} (a numbered input that has run before, and whose first answer is not known any more),
--   {"K", entry} (it has not run, and its answer was known), or of a tick {"T", how long since the last (-1: it was not due),
--   how many were left out, how long until the next, entry}.
-- A bundle is several rooms' batches of messages, as if each had been called alone: "g" has "b" behind its number. ARGV[1] is "", the runs of
--   ARGV[7] are those of all, and so are KEYS and the calls; the last of ARGV is msgpack of a list of each room and how many of ARGV[7]'s
--   numbers are behind its runs. After some time the rest of the rooms is left as it was. It returns a list: how many
--   milliseconds there are until something is due (-1: nothing is known), and of each room that was served what it returns alone, without when
--   something is due; microseconds are 0 if the clock was not looked at.
-- A message is lines: "node e epoch first count" and the events without their seq. In front of an event that is not for all
-- stands its audience: "@+" or "@-" (these, or all but these) with ids between tabs, or "@=" and which earlier one it is; and in
-- front of one that takes another's place "@~" and their key.
-- In front of the message of a room that waits for an entry of the outbox comes another one, "node w tag number".
-- A line for itself is "@!" with a user who is put out of the room, a tab and the reason.
-- (What cjson writes has no line ends.)
-- A line behind "--@documents" is part of programs of scripts that work on documents alone (see documents/program.lua): ARGV has one
-- more at the end, the flag "d" says that calls whose documents are not there end with an error, and without it such a batch is
-- answered {"cold", name, …}, and nothing of it has run.
-- What runs once a batch and once a call is written for speed; what is rare is made when it is needed.
local room, node, flags = ARGV[1], ARGV[2], ARGV[4]
local call, encode, type, tonumber, pcall = redis.call, cjson.encode, type, tonumber, pcall
local now = time[1] * 1000 + math.floor(time[2] / 1000)
-- Microseconds since then. For scripts TIME stands still since Redis 7.2 and in Valkey, which have os.clock in its place.
local clock = rawget(_G, "os") and os.clock
local started = clock and clock()
local function since()
  if clock then return math.floor((clock() - started) * 1000000) end
  local ended = call("TIME")
  return (ended[1] - time[1]) * 1000000 + (ended[2] - time[2])
end

local bytes, bytes_before = 0, 0
local rooms, order = {}, {}
local own
local runs = cmsgpack.unpack(ARGV[7])
-- The rooms of a bundle, each with where its runs end.
local parts

local unpack = table.unpack or unpack

local function room_of(id)
  local found = rooms[id]
  if not found then
    -- In pieces, each line with its end in front of it. The first is written at the end. Growing takes time: so there is room for
    -- about as many as there will be, filled with what is at hand.
    local lines = id ~= room and {} or parts and { "", "", "" } or { unpack(ARGV, 1, math.min(#ARGV, 256)) }
    found = { id = id, count = 0, last = 1, lines = lines, began = number }
    rooms[id] = found
    order[#order + 1] = found
    if id == room then own = found end
  end
  return found
end

-- What the room has of events before the running call adds some.
local function mark(found)
  found.call, found.count_before, found.last_before = number, found.count, found.last
  found.held_before = found.held and #found.held or 0
  found.audiences_before = found.audiences and found.audiences.count or 0
end

local function charge(size)
  bytes = bytes + size + 64
  -- A batch that gives nothing back has a bound, too: what a node has not read yet of all channels is bounded by the store, which
  -- would end its connection.
  if bytes - bytes_before > MAX_CALL_BYTES or bytes > FULL_BYTES + MAX_CALL_BYTES then
    bytes = bytes - size - 64
    error(TOO_MUCH, 3)
  end
end

local names = {}
local function named(kind)
  if type(kind) ~= "string" and type(kind) ~= "number" then
    error("bad argument #1 (string expected, got " .. type(kind) .. ")", 3)
  end
  if is_reserved(kind) then error(RESERVED_TYPE, 3) end
  if not is_utf8(tostring(kind)) then error(NOT_UTF8, 3) end
  local text = '\n{"type":' .. encode(tostring(kind)) .. ',"payload":'
  names[kind] = text
  return text
end

-- A value of the script's as JSON; what is none is an error in the script's line, and not in one of these.
local function encoded(value)
  local ok, text = pcall(encode, value)
  if ok then return text end
  error((string.gsub(text, "^@?user_script:%d+: ", "")), 3)
end

-- A text that is no longer has not more than MAX_DEPTH levels.
local SHALLOW_BYTES = 2 * MAX_DEPTH
local function is_too_deep(text, most)
  -- Most payloads are flat, and this is found out at once.
  if not string.find(text, "{", 2, true) and not string.find(text, "[", 2, true) then return false end
  local _, opens = string.gsub(text, "[%[{]", "", most + 1)
  if opens <= most then return false end
  text = string.gsub(string.gsub(text, "\\.", ""), '"[^"]*"', "")
  local depth = 0
  for bracket in string.gmatch(text, "[%[%]{}]") do
    if bracket == "[" or bracket == "{" then depth = depth + 1 else depth = depth - 1 end
    if depth > most then return true end
  end
  return false
end

local function own_room(what, level)
  if room == "" then error("godra." .. what .. " needs a room, and this call is in none", level or 3) end
  return room_of(room)
end

-- An event is two pieces: the head of all of its type, and its payload.
local function put(found, head, text, audience, key)
  if found.call ~= number then mark(found) end
  local last, lines = found.last, found.lines
  if key then
    last = last + 1
    lines[last] = "\n@~" .. key
    found.has_keys = true
  end
  if audience then
    local known = found.audiences
    if not known then
      known = { count = 0 }
      found.audiences = known
    end
    last = last + 1
    if known[audience] then
      lines[last] = "\n@=" .. known[audience]
    else
      known.count = known.count + 1
      known[audience] = known.count
      lines[last] = "\n" .. audience
    end
  end
  lines[last + 1], lines[last + 2] = head, text
  found.last = last + 2
  found.count = found.count + 1
end

-- What ids and names begin with in the running script's game.
local game = ""
-- A room's id as the store has it, from one that the running script says; nil if that is none of its game.
local function own_id(text)
  if type(text) ~= "string" then return nil end
  if game ~= "" and string.sub(text, 1, #game) == game then text = string.sub(text, #game + 1) end
  if #text > 64 or not string.find(text, "^[%w_-]+$") then return nil end
  return game .. text
end

-- Whose membership begins with this call.
local entering
local user_id, who, user
-- Where the running call's arguments begin in ARGV, how many they are with its caller, and what they are decoded, of which call.
local call_at, call_arguments, payload, payload_of
local library
-- What scripts have printed: of each line its place and its text.
local prints
-- What the running call has as redis.
local running
local groups

local sending
-- For events that are not for all, and errors of the script's own.
local function get_sending()
  if sending then return sending end
  sending = {}

  -- Ids between tabs. Nobody has an id with a control character in it.
  function sending.list(ids)
    local clean = {}
    for index = 1, #ids do clean[index] = string.gsub(ids[index], "%c", "?") end
    return table.concat(clean, "\t")
  end

  -- An event with an audience; what is for whoever comes in with this call gets its number when the batch has ended.
  function sending.put_for(found, head, text, audience, key)
    if entering and audience == "@+" .. user_id then
      if found.call ~= number then mark(found) end
      local held = found.held or {}
      found.held = held
      held[#held + 1] = { head, text, audience, key }
    else
      put(found, head, text, audience, key)
    end
  end

  function sending.send(to, kind, payload)
    local head, text = names[kind] or named(kind), encoded(payload)
    if not is_utf8(text) then error(NOT_UTF8, 2) end
    if #text > SHALLOW_BYTES and is_too_deep(text, MAX_DEPTH) then error(TOO_DEEP, 2) end
    local found = own or own_room("send")
    charge(#head + #text + #tostring(to))
    sending.put_for(found, head, text, "@+" .. sending.list({ tostring(to) }))
  end

  function sending.error(code, message, details)
    if type(code) ~= "string" and type(code) ~= "number" then
      error("bad argument #1 to 'error' (string expected, got " .. type(code) .. ")", 2)
    elseif type(message) ~= "string" and type(message) ~= "number" then
      error("bad argument #2 to 'error' (string expected, got " .. type(message) .. ")", 2)
    end
    if details ~= nil and #encoded(details) > MAX_DETAILS_BYTES then
      error("the details of an error have at most " .. MAX_DETAILS_BYTES .. " bytes", 2)
    end
    error({ code = tostring(code), message = tostring(message), details = details }, 0)
  end

  return sending
end

local function get_groups()
  if groups then return groups end
  local function put_out(id, reason)
    local found = room_of(room)
    charge(#id + #reason)
    if found.call ~= number then mark(found) end
    found.last = found.last + 1
    found.lines[found.last] = "\n@!" .. id .. "\t" .. reason
  end
  groups = make_part("groups")({
    room = room,
    caller = function() return user_id end,
    commands = function() return running end,
    own_room = own_room,
    put_out = put_out,
    list = get_sending().list,
  })
  return groups
end

local mail, keep
local function get_mail()
  mail = mail or make_mail({
    room = room,
    now = now,
    keep = keep,
    rooms = parts and #parts / 2 or 1,
    game = function() return game end,
    own_id = own_id,
    number = function() return number end,
    is_full = string.find(flags, "f", 1, true),
    is_too_deep = function(text) return #text > SHALLOW_BYTES and is_too_deep(text, MAX_DEPTH) end,
  })
  return mail
end

--@documents local documents, is_durable
local godra = { now = now, room_ttl = tonumber(ARGV[6]), lobbies_per_owner = LOBBIES_PER_OWNER, home = IS_HOME }
if room ~= "" then godra.room = room end

function godra.publish(kind, payload, options)
  local audience, key
  if options ~= nil then audience, key = get_groups().options(options) end
  local head, text = names[kind] or named(kind), encoded(payload)
  if not is_utf8(text) then error(NOT_UTF8, 2) end
  if #text > SHALLOW_BYTES and is_too_deep(text, MAX_DEPTH) then error(TOO_DEEP, 2) end
  local found = own or own_room("publish")
  if options ~= nil then
    charge(#head + #text + (audience and #audience or 0) + (key and #key or 0))
    if audience then get_sending().put_for(found, head, text, audience, key) else put(found, head, text, nil, key) end
  else
    charge(#head + #text)
    put(found, head, text)
  end
end

-- What scripts rarely ask for is made when they do.
setmetatable(godra, { __index = function(_, name)
  if name == "send" or name == "error" then return get_sending()[name] end
  if name == "join" or name == "leave" or name == "cell" or name == "remove" then return get_groups()[name] end
  if name == "payload" then
    if payload_of ~= number then
      payload_of, payload = number, read_payload(string.sub(who, 1, 1), call_at + 1, call_arguments - 1)
    end
    return payload
  end
  if name == "state" or name == "members" or name == "is_member" or name == "log" then
    library = library or make_library({
      room = function() if room ~= "" then return room end end,
      caller = function() if user_id ~= "" then return user_id end end,
      run = function(...) return running.pcall(...) end,
      encode = function(value)
        local ok, text = pcall(encode, value)
        -- The line is the script's to know.
        if not ok then error((string.gsub(text, "^@?user_script:%d+: ", "")), 0) end
        return text
      end,
      decode = cjson.decode,
      is_too_deep = function(text) return #text > SHALLOW_BYTES and is_too_deep(text, MAX_DEPTH) end,
      max_depth = MAX_DEPTH,
      protect = function(own)
        local function refuse() error("Attempt to modify a readonly table", 2) end
        return setmetatable({}, { __index = own, __newindex = refuse, __metatable = false })
      end,
      log = make_log(function() return number end, function(place, text)
        prints = prints or {}
        local count = #prints
        if count < 2 * MAX_BATCH_PRINTS then prints[count + 1], prints[count + 2] = place, text end
      end),
    })
    return library[name]
  end
  if name == "array" then
    local arrays = get_arrays()
    encode = function(value)
      local text = arrays.encode_at(value, 3)
      return text
    end
    return arrays.array
  end
  if make_mail and (name == "tell" or name == "cancel") then return get_mail()[name] end
  --@documents if name == "load" or name == "save" or name == "delete" or name == "ledger" then return documents[name] end
  if name == "game" and game ~= "" then return string.sub(game, 1, -2) end
  if name ~= "user" or user_id == "" then return nil end
  if not user then
    local role, called = string.match(who, "^[%[{]?(%S*) (.*)$")
    user = { id = user_id, name = called, role = role }
  end
  return user
end, __newindex = function() error("Attempt to modify a readonly table", 2) end, __metatable = false })

-- What a script has as redis.
local commands_of
do
-- In place of redis for scripts that may publish by command. A ready event has a mark in front.
local function make_publishing(commands)
  local function publish_ready(channel, text)
    local id = own_id(type(channel) == "string" and string.match(channel, "^game_updates:game:(.*)$"))
    if not id then return 0 end
    if not is_utf8(text) then return { err = "ERR " .. NOT_UTF8 } end
    local ok, event = pcall(cjson.decode, text)
    if not ok or type(event) ~= "table" or string.sub(text, 1, 64):match("^%s*{") == nil then
      return { err = "ERR an event must be a JSON object" }
    elseif type(event.type) ~= "string" then
      return { err = "ERR an event needs a string as its type" }
    elseif is_reserved(event.type) then
      return { err = "ERR " .. RESERVED_TYPE }
    elseif #text > SHALLOW_BYTES and is_too_deep(text, MAX_DEPTH + 1) then
      return { err = "ERR " .. TOO_DEEP }
    end
    local found = room_of(id)
    charge(#text)
    put(found, "\n!", (string.gsub(text, "\n", " ")), nil)
    return 1
  end
  local function is_publish(command, ...)
    return type(command) == "string" and #command == 7 and string.lower(command) == "publish" and select("#", ...) == 2
  end
  return setmetatable({
    call = function(command, ...)
      if not is_publish(command, ...) then return commands.call(command, ...) end
      local reply = publish_ready(...)
      if type(reply) == "table" then error(reply, 0) end
      return reply
    end,
    pcall = function(command, ...)
      if not is_publish(command, ...) then return commands.pcall(command, ...) end
      return publish_ready(...)
    end,
  }, { __index = commands })
end

local publishing, guarded
function commands_of(script)
  local commands = script[3] and atomic_commands or redis
  if script[4] then commands = select(2, get_picks()) end
  if make_guard and script[5] ~= false then
    local own = script[5] or ""
    guarded = guarded or {}
    local of_game = guarded[own] or {}
    guarded[own] = of_game
    of_game[commands] = of_game[commands] or make_guard(commands, own)
    commands = of_game[commands]
  end
  if not script[2] then return commands end
  publishing = publishing or {}
  local found = publishing[commands] or make_publishing(commands)
  publishing[commands] = found
  return found
end
end

-- For what the server keeps itself: rooms' numbers and what players have done must not be lost because the store is full. A script
-- that has deleted something may write all the same.
local is_full = false
function keep(...)
  local reply = redis.pcall(...)
  if type(reply) ~= "table" or not reply.err then return reply end
  if not string.find(reply.err, "^%-?OOM ") then error(reply, 0) end
  is_full = true
  call("DEL", OWN_KEYS .. "nothing")
  return call(...)
end

-- The entry of a call that has failed, by what its script has returned (and the refusal that this is, if it is one) or thrown. What it
-- has done is undone.
local function fail(value, refusal, is_atomic)
  -- Scripts can make an error's text of any length; the server cuts it where players shall see its end.
  local function shortened(text) return #text > 4096 and string.sub(text, 1, 4096) or text end

  local function failure(problem)
    local OOM = "OOM command not allowed when used memory > 'maxmemory'."
    local function is_away(text)
      -- Errors that are the store's state and not the script's fault.
      local AWAY = { READONLY = true, OOM = true, MISCONF = true, NOREPLICAS = true, MASTERDOWN = true }
      return AWAY[string.match(text, "^%-?(%u+) ")]
    end
    if type(problem) == "table" then
      -- It may be any table of the script's, with any metatable.
      local code, message, err = rawget(problem, "code"), rawget(problem, "message"), rawget(problem, "err")
      if type(code) == "string" and type(message) == "string" then
        local details, ok, text = rawget(problem, "details"), true, ""
        if details ~= nil then ok, text = pcall(encode, details) end
        return { "E", shortened(code), shortened(message), ok and #text <= MAX_DETAILS_BYTES and text or "", 0 }
      end
      if type(err) == "string" then
        if is_away(err) then return { "E", "unavailable", shortened(err), "", 2 } end
        local line = rawget(problem, "line")
        local place = (type(line) == "string" or type(line) == "number") and "user_script:" .. line .. ": " or ""
        return { "E", "script_error", shortened(place .. err), "", 1 }
      end
      return { "E", "script_error", "(error object is a table value)", "", 1 }
    elseif type(problem) == "string" and is_away(problem) then
      return { "E", "unavailable", shortened(problem), "", 2 }
    elseif type(problem) == "string" and string.find(problem, OOM, 1, true) then
      return { "E", "unavailable", OOM, "", 2 }
    elseif type(problem) == "string" or type(problem) == "number" then
      return { "E", "script_error", shortened(tostring(problem)), "", 1 }
    end
    return { "E", "script_error", "(error object is a " .. type(problem) .. " value)", "", 1 }
  end

  -- Takes back what the running call has published.
  local function undo_events()
    local function cut(list, length)
      for index = #list, length + 1, -1 do list[index] = nil end
    end
    -- Forgets audiences whose line has been taken back.
    local function forget_audiences(audiences, before)
      if audiences.count == before then return end
      for audience, at in pairs(audiences) do
        if audience ~= "count" and at > before then audiences[audience] = nil end
      end
      audiences.count = before
    end
    bytes = bytes_before
    for index = #order, 1, -1 do
      local found = order[index]
      if found.began == number then
        rooms[found.id], order[index] = nil, nil
        if found == own then own = nil end
      elseif found.call == number then
        found.count, found.last = found.count_before, found.last_before
        cut(found.lines, found.last)
        if found.held then cut(found.held, found.held_before) end
        if found.audiences then forget_audiences(found.audiences, found.audiences_before) end
      end
    end
  end

  local is_own = refusal and string.sub(refusal, 1, 4) ~= "OOM "
  local entry = is_own and { "E", "script_error", shortened(refusal), "", 0 } or failure(value)
  if is_atomic then
    undo_changes()
    undo_events()
    if mail then mail.undo() end
  end
  return entry
end

-- The users of the calls with that step (nil: all calls), in the runs from one to another; the first's arguments begin there.
local function users_of(first, last, at, step, users)
  for run = first, last, 8 do
    local width = runs[run + 4] + runs[run + 5] + (runs[run + 6] == 0 and 0 or 1)
    for nth = 0, (not step or runs[run + 6] == step) and runs[run + 7] - 1 or -1 do users[#users + 1] = ARGV[at + nth * width] end
    at = at + width * runs[run + 7]
  end
  return users
end

-- Made when they are needed.
local membership, numbered, entered, tick
local history, past
local stops, last_needs_another, refreshes, look_every, places
if flags ~= "" then
  stops, last_needs_another = string.find(flags, "s", 1, true), string.find(flags, "l", 1, true)
  local every, bundles = string.match(flags, "g(%d+)(b?)")
  refreshes, look_every = string.find(flags, "r", 1, true), tonumber(every)
  if bundles == "b" then parts = cmsgpack.unpack(ARGV[#ARGV]) end
  local wanted = string.match(flags, "h(.*)$")
  places = wanted and {}
  for epoch, seq in string.gmatch(wanted or "", "(%d+):(%d+)") do places[#places + 1] = { epoch = epoch, seq = tonumber(seq) } end
end

-- Reads what callers missed of the room's events before this batch, and tells whether all who enter or confirm in these runs get it.
local function resume_all()
  local known = call("HMGET", OWN_KEYS .. "room:" .. room, "epoch", "seq")
  past = { {} }
  if known[1] then
    history = history or make_part("history")(now)
    local seq = tonumber(known[2] or 0)
    local after, entries = history.read(room, known[1], seq, places)
    if after then past = { { after, unpack(entries) }, epoch = known[1], after = after, seq = seq } end
  end
  local count = 0
  for run = 1, #runs, 8 do
    local step = runs[run + 6]
    if step == 1 or step == 3 or step == 6 then count = count + runs[run + 7] end
  end
  if count ~= #places then return false end
  for index = 1, count do
    local place = places[index]
    if place.epoch ~= past.epoch or place.seq < past.after or place.seq > past.seq then return false end
  end
  return true
end

-- Numbers a room's events, and publishes them. This node takes the events of the call's own room from the answer, and
-- passes over their copy.
local finish
do
-- Keeps a message's events for those who come back. What is too much is looked for now and then.
local function remember(id, message, first, count, has_keys)
  local last, into = first + count - 1, OWN_KEYS .. "history:" .. id
  local head = string.format("%.0f %.0f %.0f %d%s", now, first, last, count, has_keys and " k" or "")
  -- A full store keeps no events: who has missed some gets the room's state.
  if is_full then return call("DEL", into) end
  call("RPUSH", into, head, message)
  call("EXPIRE", into, HISTORY_AGE + 1)
  local every = math.max(1, math.min(HISTORY_EVENTS, math.floor(HISTORY_BYTES / 4 * count / #message)))
  if math.floor(last / every) ~= math.floor((first - 1) / every) then
    history = history or make_part("history")(now)
    history.trim(id, last, has_keys)
  end
end

function finish(found)
  local held = found.held or {}
  for index = 1, #held do put(found, unpack(held[index], 1, 4)) end
  local key, count = OWN_KEYS .. "room:" .. found.id, found.count
  local epoch, last = call("HGET", key, "epoch"), 0
  if count > 0 then
    last = keep("HINCRBY", key, "seq", count)
  elseif epoch then
    last = tonumber(call("HGET", key, "seq") or 0)
  end
  local is_fresh = not epoch
  if is_fresh then
    epoch = ARGV[3]
    keep("HSET", key, "epoch", epoch)
  end
  if is_fresh or refreshes or math.floor((last - count) / 1000) ~= math.floor(last / 1000) then
    call("EXPIRE", key, 604800)
  end
  -- What is behind the room's state for those who were let in has not been in it.
  found.epoch, found.seq = epoch, last - #held
  --@documents documents.hold(found.id, found == own and node or "-")
  if found.last == 1 then return "" end
  local lines = found.lines
  lines[1] = string.format("%s e %s %.0f %d", found == own and node or "-", epoch, last - count + 1, count)
  local message = table.concat(lines, "", 1, found.last)
  call("PUBLISH", CHANNELS .. found.id, message)
  if count > 0 and HISTORY_EVENTS > 0 then remember(found.id, message, last - count + 1, count, found.has_keys) end
  return message
end
end

--@documents documents = make_documents({
--@documents   number = function() return number end,
--@documents   caller = function() return user_id end,
--@documents   game = function() return game end,
--@documents   commands = function() return running end,
--@documents   is_durable = function() return is_durable end,
--@documents   is_atomic = function() return running == atomic_commands end,
--@documents   now = now,
--@documents   keep = keep,
--@documents   encode = function(value) return encode(value) end,
--@documents   is_utf8 = is_utf8,
--@documents   is_too_deep = function(text) return #text > SHALLOW_BYTES and is_too_deep(text, MAX_DEPTH) end,
--@documents })
--@documents local cold = documents.cold(not string.find(flags, "d", 1, true))
--@documents if cold then return cold end
local results, at = {}, 8
local is_plain, is_over, has_failed, has_worked = true, false, false, false
-- How many microseconds have passed at the last look at the clock, and after which call that was. Asking for the time costs
-- as much as a tenth of a call.
local passed, looked_after, spans = 0, 0, nil
-- Of a bundle: what each room has come to, behind how many milliseconds there are until something is due, and the time that these
-- tell of so far; and where the runs of the room before end.
local answers, last = { -1, told = 0 }, 0
if parts then
  local ids, behind = {}, at
  for run = 1, #runs, 8 do
    for _ = 1, runs[run + 7] do
      behind = behind + runs[run + 4] + runs[run + 5] + 1
      ids[#ids + 1] = ARGV[behind - 1]
    end
  end
  get_mail().fetch(ids)
end
repeat
  -- How many calls ran before.
  local before, first = number, last + 1
  last = #runs
  if parts then
    room, last = parts[#answers * 2 - 1], parts[#answers * 2]
    own, rooms, order, groups, prints = nil, {}, {}, nil, nil
    rawset(godra, "room", room)
    get_mail().enter(room)
    results, is_plain, has_failed, has_worked = {}, true, false, false
  end
  for run = first, last, 8 do
    local script, front, key_count = godra_scripts[runs[run]], runs[run + 1], runs[run + 2]
    local is_wanted, argument_count = runs[run + 3] == 1, runs[run + 4]
    local named_count, step = runs[run + 5], runs[run + 6]
    local body = script[1]
    --@documents is_durable = script.is_durable
    game = script[5] or ""
    --@documents documents.enter(runs[run])
    local commands, is_atomic = commands_of(script), script[3]
    running = is_atomic and atomic_commands or redis
    local width = argument_count + named_count + (step == 0 and 0 or 1)
    if step == 4 and not numbered then
      numbered = make_part("numbered")(room, time[1], keep)
      numbered.read(users_of(run, #runs, at, 4, {}))
    elseif step == 1 or step == 6 then
      entered = users_of(run, run, at, step, entered or {})
    end
    local moves = step ~= 0 and step ~= 4 and step ~= 8 and step ~= 9
    if step == 8 then
      tick = tick or make_part("ticks")(KEYS[1], now, keep)
    elseif step == 9 then
      get_mail()
    elseif moves then
      membership = membership or make_part("membership")(room, node, now, keep)
    end
    local calls, is_last_run = runs[run + 7], run + 8 > #runs
    for nth = 1, calls do
      number = number + 1
      local place = number - before
      user_id, who, user = ARGV[at], ARGV[at + argument_count], nil
      call_at, call_arguments = at, argument_count
      local token = step ~= 0 and ARGV[at + width - 1]
      local passed_since, left_out, wait
      if step == 8 and not is_over then passed_since, left_out, wait = tick(token) end
      local told = step == 9 and not is_over and mail.open(token)
      if told then ARGV[at + 1] = told end
      local is_pointless = has_failed and stops
        or last_needs_another and is_last_run and nth == calls and (not has_worked or places and resume_all())
      local known = step == 4 and not is_over and numbered.answer(user_id, tonumber(token))
      local instead = moves and not is_over and not is_pointless and membership.instead(step, user_id, token)
      if is_over then
        results[place] = 2
        is_plain = false
      elseif known then
        results[place] = { "K", known }
        is_plain = false
      elseif is_pointless or step == 8 and not passed_since or step == 9 and not told then
        results[place] = 1
        is_plain = false
      elseif instead then
        results[place] = instead
        is_plain = false
      else
        -- Tables of about the size that they need, as growing takes time.
        local keys = { KEYS[front + 1], KEYS[front + 2], KEYS[front + 3] }
        if key_count ~= 3 then
          for index = key_count + 1, 3 do keys[index] = nil end
          for index = 4, key_count do keys[index] = KEYS[front + index] end
        end
        local arguments = { passed_since and string.format("%.0f", passed_since) or user_id, ARGV[at + 1] }
        if argument_count ~= 2 then
          if argument_count == 1 then arguments[2] = nil end
          for index = 3, argument_count do arguments[index] = ARGV[at + index - 1] end
        end
        bytes_before, entering = bytes, step == 1 or step == 5 or step == 6
        --@documents local body = documents.guard(body)
        local ok, value = pcall(body, keys, arguments, commands, godra)
        if ok and is_wanted and value ~= "OK" then
          local problem = check_result(value)
          if problem then ok, value = false, problem end
        end
        local refusal = ok and type(value) == "table" and rawget(value, "err")
        if type(refusal) ~= "string" then refusal = nil end
        if not ok or refusal then
          has_failed, is_plain = true, false
          results[place] = fail(value, refusal, is_atomic)
        else
          if is_atomic then keep_changes() end
          has_worked = true
          -- Who confirms a membership that is not noted (any more) is there all the same.
          if entering or step == 3 and not membership.is_noted(user_id) then membership.arrive(user_id, token) end
          if is_wanted then
            is_plain = false
            results[place] = { "V", value }
          end
        end
        if told then mail.close() end
        if step == 4 then numbered.note(user_id, tonumber(token), results[place] or 0) end
        -- A leave that the store was in no state for comes again.
        if (step == 2 or step == 10) and (type(results[place]) ~= "table" or results[place][2] ~= "unavailable") then
          membership.depart(user_id, token)
        elseif step == 7 then
          membership.note_absent(user_id, token)
        end
        -- Behind a call with a large argument the clock is looked at, too.
        if look_every then
          if number - looked_after >= look_every or argument_count > 1 and #ARGV[at + 1] > 1024 then
            local passed_before = passed
            passed = since()
            spans = spans or {}
            spans[#spans + 1] = number - looked_after
            spans[#spans + 1] = passed - passed_before
            looked_after = number
          end
          -- What may give calls back ends after so many microseconds; a bundle sooner, as others wait for it.
          is_over = passed > (parts and 5000 or 20000) or bytes >= FULL_BYTES
        end
      end
      if wait then
        is_plain = false
        results[place] = { "T", passed_since or -1, left_out, wait, results[place] or 0 }
      end
      at = at + width
    end
  end

  if room ~= "" and (membership or string.find(flags, "e", 1, true)) then
    -- Messages are nobody's.
    local function users_of_calls() return parts and {} or users_of(1, #runs, 8, nil, {}) end
    settle_lifetimes(room, now, godra.room_ttl, membership, keep, users_of_calls)
  end
  if numbered then numbered.write() end
  if mail then mail.settle() end
  --@documents documents.settle(results)
  if places and not past then resume_all() end
  if not own and room ~= "" and has_worked then room_of(room) end
  local message = ""
  for index = 1, #order do
    local written = finish(order[index])
    if order[index] == own then message = written end
  end
  if is_plain then
    results = 0
  else
    -- Who has run, and whose result nobody wants.
    for index = 1, number - before do results[index] = results[index] or 0 end
  end
  local last_ran = entered and (numbered or make_part("numbered")(room, time[1], keep)).last(entered) or places and {} or nil
  local told = now
  if prints or mail and mail.wait and not parts then told = { now, not parts and mail and mail.wait or -1, prints or {} } end
  --@documents if documents.waits() then told = { now, type(told) == "table" and told[2] or -1, prints or {}, documents.waits() } end
  local took
  if not parts then
    took = since()
    if spans and took >= 1000 then
      spans[#spans + 1] = number - looked_after
      spans[#spans + 1] = took - passed
      took = spans
    end
  else
    if number - looked_after >= look_every or last == #runs then
      passed, looked_after = since(), number
      is_over = is_over or passed > 5000
    end
    took, answers.told = passed - answers.told, passed
  end
  local answer
  if own then
    answer = { own.epoch, own.seq, message, results, took, told, last_ran, past and past[1] }
  elseif room == "" then
    answer = { "", 0, "", results, took, told }
  else
    local known = call("HMGET", OWN_KEYS .. "room:" .. room, "epoch", "seq")
    answer = { known[1] or "", tonumber(known[2] or 0), "", results, took, told, last_ran, past and past[1] }
  end
  if not parts then return answer end
  answers[#answers + 1] = answer
until last == #runs or is_over

local rest = {}
for index = 2 * #answers - 1, #parts, 2 do rest[#rest + 1] = parts[index] end
mail.settle_all(rest)
if mail.wait then answers[1] = mail.wait end
return answers
