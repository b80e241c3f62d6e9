-- Brings a channel's message to those in a room who listen to it; `send_channel` tells.
--
-- ROLE: server
-- KEYS: game:{room}:online, game:{room}:channels
-- ARGV: "", {channel, user_id, username, message, timestamp}
-- Publishes channel_message with the same to who has joined the channel.

local said = cjson.decode(ARGV[2])
if redis.call("SCARD", KEYS[1]) == 0 then
  -- Nobody is there any more.
  redis.call("SREM", KEYS[2], said.channel)
  godra.tell(nil, "note_channel", { channel = said.channel, room = godra.room, listens = false })
  return
end
godra.publish("channel_message", said, { group = "channel:" .. said.channel })
