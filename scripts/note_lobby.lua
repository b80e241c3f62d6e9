-- Notes a lobby that is in another store, so that list_lobbies has it, too. With one store nobody tells this.
--
-- ROLE: server
-- KEYS: lobbies, lobbies:info, lobbies:ends, lobbies:labels
-- ARGV: "", {id, info?, created_at?, labels?}
--   info         "members,capacity,ends at", as the lobby's own store has it; without it, it is not listed, or not any more
--   created_at   of one that has just been made; labels are JSON text

local note = cjson.decode(ARGV[2])

if note.created_at or not note.info then
  -- One that has ended may have had its id.
  for i = 1, 3 do redis.call(i == 2 and "HDEL" or "ZREM", KEYS[i], note.id) end
  redis.call("HDEL", KEYS[4], note.id)
  if not note.info then return end
  redis.call("ZADD", KEYS[1], note.created_at, note.id)
  if note.labels then redis.call("HSET", KEYS[4], note.id, note.labels) end
elseif not redis.call("ZSCORE", KEYS[1], note.id) then
  return -- it is not listed, or has ended
end

local ends_at = tonumber(string.match(note.info, ",(%d+)$"))
redis.call("HSET", KEYS[2], note.id, note.info)
if ends_at > 0 then
  redis.call("ZADD", KEYS[3], ends_at, note.id)
else
  redis.call("ZREM", KEYS[3], note.id)
end
