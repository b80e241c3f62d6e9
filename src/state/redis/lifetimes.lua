-- What a room has under keys of its own ends with it. Made for batches in which somebody comes or goes, and for calls from outside.
-- A room lasts as long as its head, game:ROOM; when that is to end, what has no end gets the same, and loses it when somebody comes
-- back. What a script has given an end of its own keeps that. The room's record has when its keys end, in milliseconds, and users:ROOM
-- (behind OWN_KEYS) who has keys in the room that are one user's, as those who went or called from outside had.
-- ROOM_KEYS(game, room, user): a list of the room's keys, or of that user's in it; game is nil for the default one.
local function settle_lifetimes(room, now, room_ttl, somebody_moves, keep, users_of_calls)
  local SAME = 1000 -- ends that are no further apart than this are the same: the clock may go on while a batch runs
  -- Users' keys last for this much longer than the room, so that not all of them are to be looked at whenever its end is put off.
  local SLACK = 5000
  local MAX_USERS = 10000
  local call = redis.call
  local game = string.match(room, "^([^~]+)~")
  local users = OWN_KEYS .. "users:" .. room

  -- Gives keys an end, or none (below 0), but for those to which a script has given one.
  local function give_end(keys, lasts, before)
    for index = 1, #keys do
      local key = keys[index]
      local own = call("PTTL", key)
      local is_ours = own == -1 or own >= 0 and before and math.abs(now + own - before) <= SAME
      if is_ours and lasts >= 0 then
        if own ~= lasts then call("PEXPIRE", key, lasts) end
      elseif is_ours and own >= 0 then
        call("PERSIST", key)
      end
    end
  end

  -- Notes those of this batch who have keys of their own in the room, and gives them.
  local function note_users()
    local found, seen = {}, {}
    for _, user in ipairs(users_of_calls()) do
      if seen[user] then
        -- Once is enough.
      elseif call("EXISTS", unpack(ROOM_KEYS(game, room, user))) == 0 then
        call("SREM", users, user)
      else
        found[#found + 1] = user
        if call("SCARD", users) < MAX_USERS then keep("SADD", users, user) end
      end
      seen[user] = true
    end
    return found
  end

  -- Users' keys end when the room has ended.
  local function settle_users(record, lasts, is_over)
    local whose = note_users()
    local ends = tonumber(call("HGET", record, "users_end") or nil)
    local before = ends
    if lasts < 0 then
      if not before then return end
      whose, ends = call("SMEMBERS", users), nil
    elseif is_over and before and before > now then
      -- Nor does what users have last longer because somebody asks.
      ends = before
    elseif not before or now + lasts > before or now + lasts + 2 * SLACK < before then
      whose, ends = call("SMEMBERS", users), now + lasts + SLACK
    end
    for _, user in ipairs(whose) do
      give_end(ROOM_KEYS(game, room, user), ends and ends - now or -1, before)
    end
    if ends then
      keep("HSET", record, "users_end", string.format("%.0f", ends))
      -- Known for a while longer than the room, for what comes late.
      call("PEXPIRE", users, ends - now + room_ttl * 1000)
    else
      call("HDEL", record, "users_end")
      call("PERSIST", users)
    end
  end

  local left = call("PTTL", "game:" .. room)
  local has_users_keys = #ROOM_KEYS(game, room, "") > 0
  if left == -1 and not somebody_moves then
    -- What callers have is to be found when the room ends.
    if has_users_keys then note_users() end
    return
  end
  local record = OWN_KEYS .. "room:" .. room
  local before = tonumber(call("HGET", record, "ends") or nil)
  if left == -2 and not before then return end
  if left == -1 and not before then return has_users_keys and settle_users(record, -1) end
  local lasts = left
  -- What comes after a room's end does not last longer than a room that nobody is in, however often somebody asks.
  if left == -2 then lasts = before > now and before - now or room_ttl * 1000 end
  give_end(ROOM_KEYS(game, room), lasts, before)
  if has_users_keys then settle_users(record, lasts, left == -2) end
  if lasts >= 0 then
    keep("HSET", record, "ends", string.format("%.0f", now + lasts))
  else
    call("HDEL", record, "ends")
  end
end
