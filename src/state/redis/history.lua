-- The latest events of a room, for who comes back and for who has fallen behind.
-- godra:history:ROOM is a list with an entry for each message that has events: a line with when it came (milliseconds), its first
-- and last number and how many events it holds, and the message. Where newer events have taken the place of others, those that are
-- left are together in one entry, each behind a line "@#" with its number and when it came.
-- HISTORY has the bounds: events, bytes, and age in seconds.
local function history_key(room) return "godra:history:" .. room end

local function make_history(now)
  local history = {}
  local call = redis.call

  local function head(entry)
    local at, first, last, count = string.match(entry, "^(%d+) (%d+) (%d+) (%d+)\n")
    return tonumber(at), tonumber(first), tonumber(last), tonumber(count)
  end

  local function is_old(at) return now - at > HISTORY.age * 1000 end

  -- The events of an entry: each with its number, time, key and audience.
  local function parse(entry)
    local at, seq = head(entry)
    local events, audiences, audience, key, lines = {}, {}, nil, nil, 0
    for line in string.gmatch(entry, "[^\n]+") do
      lines = lines + 1
      local mark = string.sub(line, 1, 2)
      if lines <= 2 or mark == "@!" then
        -- The heads, and who was put out.
      elseif mark == "@#" then
        local number, time = string.match(line, "^@#(%d+) (%d+)")
        seq, at = tonumber(number), tonumber(time)
      elseif mark == "@~" then
        key = line
      elseif mark == "@=" then
        audience = audiences[tonumber(string.sub(line, 3))]
      elseif mark == "@+" or mark == "@-" then
        audience = line
        audiences[#audiences + 1] = line
      else
        events[#events + 1] = { seq = seq, at = at, key = key, audience = audience, text = line }
        seq, audience, key = seq + 1, nil, nil
      end
    end
    return events
  end

  -- Puts one entry in the place of all, with the latest events that are within the bounds and not superseded.
  local function conflate(into, entries)
    local seen, kept, bytes, newest = {}, {}, 0, nil
    local _, first, last = head(entries[#entries])
    local function keep(event)
      local name = event.key and event.key .. "\n" .. (event.audience or "")
      first = event.seq
      if name and seen[name] then return true end
      local lines = { string.format("@#%.0f %.0f", event.seq, event.at) }
      lines[#lines + 1] = event.audience
      lines[#lines + 1] = event.key
      lines[#lines + 1] = event.text
      local text = table.concat(lines, "\n")
      if is_old(event.at) or #kept >= HISTORY.events or bytes + #text > HISTORY.bytes then
        first = event.seq + 1
        return false
      end
      if name then seen[name] = true end
      newest, bytes = newest or event.at, bytes + #text + 1
      table.insert(kept, text)
      return true
    end
    local is_over
    for index = #entries, 1, -1 do
      local events = parse(entries[index])
      for place = #events, 1, -1 do
        is_over = is_over or not keep(events[place])
        if is_over then break end
      end
      if is_over then break end
      -- What is missing in front of an entry's first event was superseded.
      local _, begin = head(entries[index])
      first = begin
    end
    call("DEL", into)
    if #kept == 0 then return end
    local epoch = string.match(entries[#entries], "^[^\n]*\n%S+ e (%S+)")
    local lines = { string.format("%.0f %.0f %.0f %d\n- e %s %.0f %d", newest, first, last, #kept, epoch, first, #kept) }
    for index = #kept, 1, -1 do lines[#lines + 1] = kept[index] end
    call("RPUSH", into, table.concat(lines, "\n"))
    call("EXPIRE", into, HISTORY.age + 1)
  end

  -- Without anything that was superseded: entries are dropped from the front until the rest is within the bounds. What they take
  -- is the store's own estimate.
  local function cut(into, last)
    local from, length, size = 0, call("LLEN", into), call("MEMORY", "USAGE", into, "SAMPLES", 1)
    if size > HISTORY.bytes then from = length - math.floor(length * HISTORY.bytes / size) end
    while from < length do
      local at, first = head(call("LINDEX", into, from))
      if first > last - HISTORY.events and not is_old(at) then break end
      from = from + 1
    end
    if from > 0 then call("LTRIM", into, from, -1) end
  end

  -- Holds a room's history to its bounds, after events up to this one. Looking at all of it takes time, which is spent where
  -- events take each other's place.
  function history.trim(room, last, has_keys)
    local into = history_key(room)
    if not has_keys and not string.find(call("LINDEX", into, 0), "\n@#", 1, true) then return cut(into, last) end
    local entries = call("LRANGE", into, 0, -1)
    local bytes, count, from, has_marks = 0, 0, #entries + 1, false
    while from > 1 do
      local entry = entries[from - 1]
      local at, _, _, events = head(entry)
      bytes, count = bytes + #entry, count + events
      if is_old(at) or count > HISTORY.events or bytes > HISTORY.bytes then break end
      from = from - 1
    end
    if from == 1 then return end
    for index = 1, #entries do
      has_marks = has_marks or string.find(entries[index], "\n@~", 1, true) or string.find(entries[index], "\n@#", 1, true)
    end
    if has_marks then
      conflate(into, entries)
    else
      call("LTRIM", into, from - 1, -1)
    end
  end

  -- All events of a room at epoch and seq that somebody has missed who was at the earliest of the places { epoch, seq } that are still
  -- there: after which number, and the entries. Nothing if none is there.
  function history.read(room, epoch, seq, places)
    local earliest
    for index = 1, #places do
      local place = places[index]
      if place.epoch == epoch and place.seq <= seq and (not earliest or place.seq < earliest) then earliest = place.seq end
    end
    if not earliest then return nil end
    local found, after, till, step = {}, seq, -1, 16
    while after > earliest do
      local entries = call("LRANGE", history_key(room), till - step + 1, till)
      for index = #entries, 1, -1 do
        local at, first, last = head(entries[index])
        if is_old(at) or last ~= after then return after, found end
        table.insert(found, 1, entries[index])
        after = first - 1
        if after <= earliest then break end
      end
      if #entries < step then break end
      till = till - step
    end
    return after, found
  end

  return history
end
