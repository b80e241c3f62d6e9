-- What the scripts of the table share: the round, as one JSON text under the key game:{room}:cards.
--   {seats, hands: {<user_id>: [card]}, won: {<user_id>: n}, trick: [{user_id, card}], turn?, next, number, turn_ms, winner?}
-- A card is SUIT-RANK, with two digits, so that texts of one suit are in the order of their ranks.

local round = {}

function round.suit(card) return string.match(card, "^%a+") end

-- The round that is being played, if one is.
function round.load(key)
  local text = redis.call("GET", key)
  local game = text and cjson.decode(text)
  if game and not game.winner then return game end
end

-- The suit that must be followed by who has that hand, if there is one.
function round.must_follow(game, hand)
  local led = game.trick[1] and round.suit(game.trick[1].card)
  for _, card in ipairs(hand) do
    if round.suit(card) == led then return led end
  end
end

-- Puts the card at that place of the hand onto the table. Who is next is found in a call of its own.
function round.play(key, game, id, at, by_clock)
  local card = table.remove(game.hands[id], at)
  table.insert(game.trick, { user_id = id, card = card })
  game.turn = nil
  redis.call("SET", key, cjson.encode(game), "KEEPTTL")
  godra.publish("played", { user_id = id, card = card, by_clock = by_clock, at = godra.now })
  godra.tell(godra.room, "go_on")
end

return round
