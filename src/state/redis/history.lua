-- The latest events of a room, for who comes back and for who has fallen behind.
-- history:ROOM (behind OWN_KEYS) is a list with two elements for each message that has events, so that bounds are held without
-- reading messages: a head and the message. A head has when it came (milliseconds), its first and last number, how many events it
-- holds, and "k" if some of these can be taken the place of. Where newer events have done so, those that are left are together in one message
-- (its head has "c"), each behind a line "@#" with its number and when it came.
-- The bounds are HISTORY_EVENTS, HISTORY_BYTES, and HISTORY_AGE in seconds.
local function history_key(room) return OWN_KEYS .. "history:" .. room end

local function make_history(now)
  local history = {}
  local call = redis.call

  local function read_head(head)
    local at, first, last, count, mark = string.match(head, "^(%d+) (%d+) (%d+) (%d+) ?(%a?)$")
    return tonumber(at), tonumber(first), tonumber(last), tonumber(count), mark
  end

  local function is_old(at) return now - at > HISTORY_AGE * 1000 end

  -- The events of a message: each with its number, time, key and audience.
  local function parse(head, message)
    local at, seq = read_head(head)
    local events, audiences, audience, key, lines = {}, {}, nil, nil, 0
    for line in string.gmatch(message, "[^\n]+") do
      lines = lines + 1
      local mark = string.sub(line, 1, 2)
      if lines == 1 or mark == "@!" then
        -- The message's own first line, and who was put out.
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

  -- Puts one message in the place of all, with the latest events that are within the bounds and not superseded.
  local function conflate(into, elements)
    local seen, kept, bytes, newest = {}, {}, 0, nil
    local _, first, last = read_head(elements[#elements - 1])
    local function keep(event)
      local name = event.key and event.key .. "\n" .. (event.audience or "")
      first = event.seq
      if name and seen[name] then return true end
      local lines = { string.format("@#%.0f %.0f", event.seq, event.at) }
      lines[#lines + 1] = event.audience
      lines[#lines + 1] = event.key
      lines[#lines + 1] = event.text
      local text = table.concat(lines, "\n")
      if is_old(event.at) or #kept >= HISTORY_EVENTS or bytes + #text > HISTORY_BYTES then
        first = event.seq + 1
        return false
      end
      if name then seen[name] = true end
      newest, bytes = newest or event.at, bytes + #text + 1
      table.insert(kept, text)
      return true
    end
    local is_over
    for index = #elements, 1, -2 do
      local events = parse(elements[index - 1], elements[index])
      for place = #events, 1, -1 do
        is_over = is_over or not keep(events[place])
        if is_over then break end
      end
      if is_over then break end
      -- What is missing in front of a message's first event was superseded.
      local _, begin = read_head(elements[index - 1])
      first = begin
    end
    call("DEL", into)
    if #kept == 0 then return end
    local epoch = string.match(elements[#elements], "^%S+ e (%S+)")
    local lines = { string.format("- e %s %.0f %d", epoch, first, #kept) }
    for index = #kept, 1, -1 do lines[#lines + 1] = kept[index] end
    local head = string.format("%.0f %.0f %.0f %d c", newest, first, last, #kept)
    call("RPUSH", into, head, table.concat(lines, "\n"))
    call("EXPIRE", into, HISTORY_AGE + 1)
  end

  -- Without anything that was superseded: messages are dropped from the front until the rest is within the bounds. The store
  -- itself says what they take, of all of them: long messages take much more than the heads between them. Numbers and times rise, so
  -- the first that stays is found by halving.
  local function cut(into, last)
    local from, length, size = 0, call("LLEN", into) / 2, call("MEMORY", "USAGE", into, "SAMPLES", 0)
    if size > HISTORY_BYTES then from = length - math.floor(length * HISTORY_BYTES / size) end
    local to = length
    while from < to do
      local middle = math.floor((from + to) / 2)
      local at, first = read_head(call("LINDEX", into, 2 * middle))
      if first > last - HISTORY_EVENTS and not is_old(at) then to = middle else from = middle + 1 end
    end
    if from > 0 then call("LTRIM", into, 2 * from, -1) end
  end

  -- Holds a room's history to its bounds, after events up to this one. Looking at all of it takes time, which is spent where
  -- events take each other's place.
  function history.trim(room, last, has_keys)
    local into = history_key(room)
    if not has_keys then
      local _, _, _, _, mark = read_head(call("LINDEX", into, 0))
      if mark ~= "c" then return cut(into, last) end
    end
    local elements = call("LRANGE", into, 0, -1)
    local bytes, count, from, has_marks = 0, 0, #elements + 1, false
    while from > 1 do
      local at, _, _, events = read_head(elements[from - 2])
      bytes, count = bytes + #elements[from - 1], count + events
      if is_old(at) or count > HISTORY_EVENTS or bytes > HISTORY_BYTES then break end
      from = from - 2
    end
    if from == 1 then return end
    for index = 1, #elements, 2 do
      local _, _, _, _, mark = read_head(elements[index])
      has_marks = has_marks or mark ~= ""
    end
    if has_marks then
      conflate(into, elements)
    else
      call("LTRIM", into, from - 1, -1)
    end
  end

  -- All events of a room at epoch and seq that somebody has missed who was at the earliest of the places { epoch, seq } that are still
  -- there: after which number, and the messages. Nothing if none is there.
  function history.read(room, epoch, seq, places)
    local earliest
    for index = 1, #places do
      local place = places[index]
      if place.epoch == epoch and place.seq <= seq and (not earliest or place.seq < earliest) then earliest = place.seq end
    end
    if not earliest then return nil end
    local found, after, till, step = {}, seq, -1, 32
    while after > earliest do
      local elements = call("LRANGE", history_key(room), till - step + 1, till)
      for index = #elements, 2, -2 do
        local at, first, last = read_head(elements[index - 1])
        if is_old(at) or last ~= after then return after, found end
        table.insert(found, 1, elements[index])
        after = first - 1
        if after <= earliest then break end
      end
      if #elements < step then break end
      till = till - step
    end
    return after, found
  end

  return history
end
