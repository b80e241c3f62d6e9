-- Brings a channel's message to those in a room who listen to it; `send_channel` and `note_channel` tell.
--
-- ROLE: server
-- KEYS: game:{room}:online, game:{room}:channels
-- ARGV: "", {channel, user_id, username, message, timestamp}, or {channel, is_sweep: true} of a channel that has many rooms, or
--   {channel, is_full: true} if it has too many for this one
-- Publishes channel_message with the message, or channel_full {channel}, to who has joined the channel.

local said = cjson.decode(ARGV[2])
local group = "channel:" .. said.channel
if said.is_full then
  -- Who joins again asks again.
  redis.call("SREM", KEYS[2], said.channel)
  godra.publish("channel_full", { channel = said.channel }, { group = group })
elseif redis.call("SCARD", KEYS[1]) == 0 then
  -- Nobody is there any more.
  redis.call("SREM", KEYS[2], said.channel)
  godra.tell(nil, "note_channel", { channel = said.channel, room = godra.room, listens = false })
elseif not said.is_sweep then
  godra.publish("channel_message", said, { group = group })
end
