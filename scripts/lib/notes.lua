-- Notes to players, wherever they are connected.

local notes = {}

-- An event for that user alone in each room that it is in, by what `presence` (the key) knows. Who is in none hears nothing; nor is
-- anybody's call lost because too much is told at once.
function notes.send(presence, user_id, type, payload)
  local known = redis.call("HGET", presence, user_id)
  for _, room in ipairs(known and cjson.decode(known).rooms or {}) do
    pcall(godra.tell, room.id, "deliver_note", { to = user_id, type = type, payload = payload })
  end
end

return notes
