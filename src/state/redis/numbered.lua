-- Inputs with a number, of which each runs at most once. What is known of them is read in front of the first of a batch, and written
-- behind the last.
-- inputs:ROOM:DAY (behind OWN_KEYS) is a hash of user ids and "n count": the last input that ran, and how many have.
-- answers:ROOM:HOUR is one of "id tab place" and "n answer": of the input count, at the place count % ANSWERS, its entry in
-- the batch's results as msgpack, if that has at most MAX_ANSWER_BYTES.
-- There is one for this day (hour) and one for the day before, so that what is not used for so long ends by itself.
-- has_not_run(code) tells of an error's code whether it says that the input did not run.
local function make_numbered(room, seconds, keep)
  local DAY, HOUR = 86400, 3600
  local call = redis.call
  local users, numbered = {}, {}

  local function key(kind, length, ago)
    return string.format("%s%s:%s:%d", OWN_KEYS, kind, room, math.floor(seconds / length) - ago)
  end

  local function read_from(ago, ids)
    local texts, missing = call("HMGET", key("inputs", DAY, ago), unpack(ids)), {}
    for index = 1, #ids do
      local n, count = string.match(texts[index] or "", "^(%d+) (%d+)$")
      if n then
        users[ids[index]] = { n = tonumber(n), count = tonumber(count), fresh = {} }
      else
        missing[#missing + 1] = ids[index]
      end
    end
    return missing
  end

  -- What is known of these users. Before anything else.
  function numbered.read(ids)
    local missing = read_from(0, ids)
    if #missing > 0 then missing = read_from(1, missing) end
    for index = 1, #missing do users[missing[index]] = { n = 0, count = 0, fresh = {} } end
  end

  function numbered.last(ids)
    numbered.read(ids)
    local last = {}
    for index = 1, #ids do last[index] = users[ids[index]].n end
    return last
  end

  local function kept_answer(user_id, user, n)
    for _, kept in pairs(user.fresh) do
      if kept.n == n then return kept.text end
    end
    local fields, head = {}, string.format("%.0f ", n)
    for place = 1, ANSWERS do fields[place] = user_id .. "\t" .. (place - 1) end
    for ago = 0, 1 do
      local kept = call("HMGET", key("answers", HOUR, ago), unpack(fields))
      for place = 1, ANSWERS do
        if kept[place] and string.sub(kept[place], 1, #head) == head then return string.sub(kept[place], #head + 1) end
      end
    end
  end

  local function first_answer(user_id, user, n)
    local text = kept_answer(user_id, user, n)
    if not text then return { "D" } end
    local answer = cmsgpack.unpack(text)
    -- That a script broke was told when it did.
    if answer[1] == "E" then answer[5] = 0 end
    return answer
  end

  -- The result of an input that does not run: it has run before, or one before it in the batch has not.
  function numbered.answer(user_id, n)
    local user = users[user_id]
    if n <= user.n then return first_answer(user_id, user, n) end
    if user.refused and n > user.refused then return { "E", "out_of_order", OUT_OF_ORDER, "", 2 } end
    user.refused = nil
  end

  -- An input has run, unless its result says that it has not.
  function numbered.note(user_id, n, result)
    local user = users[user_id]
    if result[1] == "E" and has_not_run(result[2]) then
      user.refused = n
      return
    end
    user.n, user.count, user.is_changed = n, user.count + 1, true
    local text = cmsgpack.pack(result)
    if #text <= MAX_ANSWER_BYTES then user.fresh[user.count % ANSWERS] = { n = n, text = text } end
  end

  local function put(kind, length, fields)
    local into, added = key(kind, length, 0), 0
    for from = 1, #fields, 1000 do
      added = added + keep("HSET", into, unpack(fields, from, math.min(from + 999, #fields)))
    end
    if added > 0 then call("EXPIRE", into, 2 * length) end
  end

  -- The first write of a batch that has written nothing else: if the store is in no state for it, nothing has run. It is not refused
  -- because the store is full.
  function numbered.write()
    local inputs, answers = {}, {}
    for user_id, user in pairs(users) do
      if user.is_changed then
        inputs[#inputs + 1] = user_id
        inputs[#inputs + 1] = string.format("%.0f %d", user.n, user.count)
        for place, kept in pairs(user.fresh) do
          answers[#answers + 1] = user_id .. "\t" .. place
          answers[#answers + 1] = string.format("%.0f ", kept.n) .. kept.text
        end
      end
    end
    put("inputs", DAY, inputs)
    put("answers", HOUR, answers)
  end

  return numbered
end

