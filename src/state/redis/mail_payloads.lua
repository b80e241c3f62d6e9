-- The payloads of messages, which stay where they are.
-- KEYS[1]: the bodies of messages (see mail.lua); ARGV: ids.
-- Returns the payload of each, false for one that is not there any more; of many long ones the first.
local MOST_BYTES = 262144
local found, bytes = {}, 0
for index = 1, #ARGV do
  if bytes >= MOST_BYTES then break end
  local body = redis.call("HGET", KEYS[1], ARGV[index])
  local payload = body and cmsgpack.unpack(body)[5]
  bytes = bytes + #(payload or "")
  found[index] = payload
end
return found
