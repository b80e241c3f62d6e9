-- Plays a card of the caller's hand, at its turn. The suit that was led must be followed by who has it.
--
-- ROLE: guest
-- KEYS: game:{room}:cards
-- ARGV: user_id, {card}
-- Publishes played {user_id, card, by_clock, at}. Returns OK.

local round = require("round")

local card = type(godra.payload) == "table" and godra.payload.card
if type(card) ~= "string" then godra.error("bad_request", "card must be a text, SUIT-RANK") end
local game = round.load(KEYS[1])
if not game then godra.error("conflict", "No round is being played") end
local id = godra.user.id
local hand = game.hands[id]
if not hand or not godra.is_member() then godra.error("forbidden", "You are not in this round") end
if game.turn ~= id then godra.error("not_your_turn", "Wait for your turn") end

local at
for i, own in ipairs(hand) do
  if own == card then at = i end
end
if not at then godra.error("not_your_card", "That card is not in your hand") end
local led = round.must_follow(game, hand)
if led and round.suit(card) ~= led then
  godra.error("must_follow", "You have " .. led .. ", and must follow", { suit = led })
end

round.play(KEYS[1], game, id, at, false)
return "OK"
