-- Friends: the document friends/<user_id> of each player.
--   {friends: {<user_id>: {name, since}}, asked: {…: {name, at}}, asks: {…: {name, at}}, declined: {…: at}, blocked: {…: at}}
-- `asked` is whom the player has asked, `asks` who has asked the player. Both sides of each change are written by one call.

local friends = {}

function friends.load(user_id)
  local book = godra.load("friends/" .. user_id)
  return book or { friends = {}, asked = {}, asks = {}, declined = {}, blocked = {} }
end

-- Only the other side's document needs to be told whose it is.
function friends.save(user_id, book)
  godra.save("friends/" .. user_id, book, { owner = user_id })
end

function friends.has_blocked(user_id, other)
  local book = godra.load("friends/" .. user_id)
  return book ~= nil and book.blocked[other] ~= nil
end

function friends.count(entries)
  local count = 0
  for _ in pairs(entries) do count = count + 1 end
  return count
end

return friends
