-- Notes a lobby that is in another store, so that list_lobbies has it, too. With one store nobody tells this.
--
-- ROLE: server
-- KEYS: lobbies, lobbies:info, lobbies:ends, lobbies:labels
-- ARGV: "", {id, info, created_at?, labels?, private?}
--   info         "members,capacity,ends at", as the lobby's own store has it
--   created_at   of one that has just been made; labels are JSON text
--   private      it is not listed

local note = cjson.decode(ARGV[2])
local ends_at = tonumber(string.match(note.info, ",(%d+)$"))

if note.created_at then
  -- One that has ended may have had its id.
  for i = 1, 3 do redis.call(i == 2 and "HDEL" or "ZREM", KEYS[i], note.id) end
  redis.call("HDEL", KEYS[4], note.id)
  if note.private then return end
  redis.call("ZADD", KEYS[1], note.created_at, note.id)
  if note.labels then redis.call("HSET", KEYS[4], note.id, note.labels) end
elseif not redis.call("ZSCORE", KEYS[1], note.id) then
  return -- it is not listed, or has ended
end

redis.call("HSET", KEYS[2], note.id, note.info)
if ends_at > 0 then
  redis.call("ZADD", KEYS[3], ends_at, note.id)
else
  redis.call("ZREM", KEYS[3], note.id)
end
