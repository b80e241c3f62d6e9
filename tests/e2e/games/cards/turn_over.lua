-- The time for a turn is over: the first card that may be played is.
--
-- ROLE: server
-- KEYS: game:{room}:cards
-- Payload: {number}, of the turn. Publishes played.

local round = require("round")

local game = round.load(KEYS[1])
if not game or not game.turn or game.number ~= godra.payload.number then return end
local hand = game.hands[game.turn]
local led, at = round.must_follow(game, hand), 1
while led and round.suit(hand[at]) ~= led do at = at + 1 end
round.play(KEYS[1], game, game.turn, at, true)
