-- Membership of a room: who holds it, by which connection of which node. Made for batches in which somebody comes or goes.
-- members:ROOM (behind OWN_KEYS) has each member's connection (its token: node, place, number and name), node:NODE:members the same for
-- when the node dies.
local function make_membership(room, node, now, keep)
  local membership = {}
  local call = redis.call
  local members = OWN_KEYS .. "members:" .. room

  local function strike(user, token)
    call("SREM", OWN_KEYS .. "node:" .. string.match(token, "^[^ ]*") .. ":members", room .. " " .. user .. " " .. token)
  end

  -- Before a leave: whether this membership is still the one that counts.
  function membership.is_held(user, token)
    if call("HGET", members, user) == token then return true end
    strike(user, token)
    return false
  end

  function membership.is_noted(user)
    return call("HEXISTS", members, user) == 1
  end

  -- Whether somebody else holds it by now, or it was ended by a script.
  function membership.is_replaced(user, token)
    local held = call("HGET", members, user)
    return held and held ~= token or call("HGET", OWN_KEYS .. "removed:" .. room, user) == token
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
