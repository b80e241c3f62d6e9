-- Begins a round: the owner deals, and who is in the lobby plays.
--
-- ROLE: guest
-- KEYS: game:{room}, game:{room}:cards
-- ARGV: user_id
-- Publishes dealt {seats, turn_ms}, and to each player hand {cards}. Returns OK.

local SUITS = { "clubs", "diamonds", "hearts", "spades" }
local HAND = 5
local TURN_MS, MIN_TURN_MS, MAX_TURN_MS = 20000, 500, 120000
local KEEP_S = 24 * 60 * 60 -- a round that nobody ends

if redis.call("HGET", KEYS[1], "owner") ~= godra.user.id or not godra.is_member() then
  godra.error("forbidden", "Only the lobby's owner deals")
end
local seats = godra.members()
if #seats < 2 or #seats > 4 then
  godra.error("conflict", "This is a game for 2 to 4 players, and here are " .. #seats)
end
if require("round").load(KEYS[2]) then godra.error("conflict", "A round is being played") end

local labels = cjson.decode(redis.call("HGET", KEYS[1], "labels") or "{}")
local turn_ms = labels.turn_ms or TURN_MS
if type(turn_ms) ~= "number" or turn_ms < MIN_TURN_MS or turn_ms > MAX_TURN_MS or turn_ms % 1 ~= 0 then
  godra.error("bad_request", "The lobby's label turn_ms must be a whole number from 500 to 120000")
end

local deck = {}
for _, suit in ipairs(SUITS) do
  for rank = 2, 14 do deck[#deck + 1] = string.format("%s-%02d", suit, rank) end
end
for i = #deck, 2, -1 do
  local other = math.random(i)
  deck[i], deck[other] = deck[other], deck[i]
end

local game = { seats = seats, hands = {}, won = {}, trick = {}, number = 0, turn_ms = turn_ms, next = seats[1] }
godra.publish("dealt", { seats = seats, turn_ms = turn_ms })
for _, id in ipairs(seats) do
  local hand = {}
  for i = 1, HAND do hand[i] = table.remove(deck) end
  table.sort(hand)
  game.hands[id], game.won[id] = hand, 0
  godra.send(id, "hand", { cards = hand })
end
redis.call("SET", KEYS[2], cjson.encode(game), "EX", KEEP_S)
godra.tell(godra.room, "go_on")
return "OK"
