-- Membership of a room: who holds it, by which connection of which node. Made for batches in which somebody comes or goes.
-- members:ROOM (behind OWN_KEYS) has each member's connection (its token: node, place, number and name), node:NODE:members the same for
-- when the node dies. joins:ROOM has what is to be known of joins by their node and number: "" of one that was given up, or the
-- membership that it has found in its way.
--
-- A join may run late: its node has lost its connection to the store, and what it had sent was still under way. Its caller was
-- refused, and may have come in through another connection or node by then, whose membership must stand.
local function make_membership(room, node, now, keep)
  local membership = {}
  local call = redis.call
  local members, joins = OWN_KEYS .. "members:" .. room, OWN_KEYS .. "joins:" .. room
  -- What is noted of joins is kept for so many seconds, and of so many.
  local JOINS_AGE, MAX_JOINS = 120, 2000

  local function strike(user, token)
    call("SREM", OWN_KEYS .. "node:" .. string.match(token, "^[^ ]*") .. ":members", room .. " " .. user .. " " .. token)
  end

  -- Whether this membership is still the one that counts.
  local function is_held(user, token)
    if call("HGET", members, user) == token then return true end
    strike(user, token)
    return false
  end

  function membership.is_noted(user)
    return call("HEXISTS", members, user) == 1
  end

  -- Whether another node holds it by now, or it was ended by a script. This node knows by itself which of its own is the one.
  local function is_replaced(user, token)
    local held = call("HGET", members, user)
    return held and string.match(held, "^%S+") ~= node or call("HGET", OWN_KEYS .. "removed:" .. room, user) == token
  end

  -- The node and number of a membership.
  local function name_of(token) return string.match(token, "^%S+ %d+") end

  local function note_join(token, note)
    if call("HLEN", joins) >= MAX_JOINS then call("DEL", joins) end
    keep("HSET", joins, name_of(token), note)
    call("EXPIRE", joins, JOINS_AGE)
  end

  -- Whether a number of this node's was given after another, or is that. Numbers begin anew behind the last of 32 bits.
  local function is_not_before(one, other) return (one - other) % 4294967296 < 2147483648 end

  -- Joins that were told in this batch to ask again.
  local asked = {}
  -- What becomes of an arrival instead, if anything: 1 if it comes too late, 2 if its node must ask for it again, as another node
  -- holds the membership: only a node whose client still waits does that. In between nobody else may have come in.
  local function hold_back(user, token)
    local held, note = call("HGET", members, user), call("HGET", joins, name_of(token))
    if note == "" then return 1 end
    if not held then return nil end
    local holder, number = string.match(held, "^(%S+) (%d+)")
    if holder == node then return is_not_before(number, string.match(token, "^%S+ (%d+)")) and 1 or nil end
    if note == held and not asked[token] then
      call("HDEL", joins, name_of(token))
      return nil
    end
    asked[token] = true
    note_join(token, held)
    return 2
  end

  -- A join whose outcome its node never learnt shall not run any more. Returns whether it has run, and is to be undone.
  local function give_up(user, token)
    note_join(token, "")
    return call("HGET", members, user) == token
  end

  -- The same, where the node has an older membership of the user, which stands again. In front of the token is its number.
  local function revert(user, text)
    local number, token = string.match(text, "^(%d+) (.*)$")
    if give_up(user, token) then
      strike(user, token)
      local older = node .. " " .. number .. string.match(token, "^%S+ %d+(.*)$")
      keep("HSET", members, user, older)
      call("SADD", OWN_KEYS .. "node:" .. node .. ":members", room .. " " .. user .. " " .. older)
    end
    return 1
  end

  -- Memberships that were taken up again in this batch, or could not be.
  local rejoined = {}
  -- What becomes of a call with one of these steps instead of running, as an entry of the results; nothing if it runs.
  function membership.instead(step, user, token)
    if step == 2 then return not is_held(user, token) and 1 end
    if step == 3 then return is_replaced(user, token) and 1 end
    if step == 5 then
      if not membership.is_noted(user) then return 1 end
      local held_back = hold_back(user, token)
      rejoined[token] = not held_back
      return held_back
    end
    if step == 6 and rejoined[token] then return 1 end
    if step == 7 then return membership.is_noted(user) and 1 end
    if step == 10 then return not give_up(user, token) and 1 end
    if step == 11 then return revert(user, token) end
    return hold_back(user, token)
  end

  -- The book of guests: how this one was last in the room.
  local function book(user, how, token)
    if string.sub(user, 1, 6) ~= "guest:" then return end
    local called = string.match(token, "^%S+ %S+ %S+ (.*)$") or user
    call("HSET", "godra:guest:" .. user, "", called, room, how)
    call("ZADD", "active_sessions:guests", now, user)
  end

  -- After a leave.
  function membership.depart(user, token)
    call("HDEL", members, user)
    strike(user, token)
    book(user, "left", token)
  end

  -- After the leave of a user who had no socket here.
  function membership.note_absent(user, token)
    book(user, "left", token)
  end

  -- After an arrival: notes it, and tells the node of an older socket of the same user.
  function membership.arrive(user, token)
    local held = call("HGET", members, user)
    keep("HSET", members, user, token)
    if held then
      local holder = string.match(held, "^[^ ]*")
      strike(user, held)
      if holder ~= node then
        call("PUBLISH", CHANNELS .. room, node .. " r " .. user .. " " .. held)
      end
    end
    call("SADD", OWN_KEYS .. "node:" .. node .. ":members", room .. " " .. user .. " " .. token)
    book(user, "joined", token)
  end

  return membership
end
