-- After each card, and when somebody has left: takes out who is gone, ends the trick, ends the round, or says whose turn it is.
--
-- ROLE: server
-- KEYS: game:{room}:cards
-- Publishes trick {user_id, won}, turn {user_id, number, at} or winner {user_id, won}.

local round = require("round")

local game = round.load(KEYS[1])
if not game then return end

local function save()
  godra.state.set("table", {
    seats = game.seats, turn = game.turn, trick = godra.array(game.trick), won = game.won, winner = game.winner,
  })
  redis.call("SET", KEYS[1], cjson.encode(game), "KEEPTTL")
end

local function win(id)
  game.winner, game.turn = id, nil
  godra.cancel("turn")
  godra.publish("winner", { user_id = id, won = game.won })
  save()
end

local function seat_of(id)
  for i, seated in ipairs(game.seats) do
    if seated == id then return i end
  end
end

-- Who sits next to the one in that seat and is still here.
local function here_from(seat)
  for i = 0, #game.seats - 1 do
    local id = game.seats[(seat + i - 1) % #game.seats + 1]
    if game.hands[id] then return id end
  end
end

local here = {}
for _, id in ipairs(game.seats) do
  if not godra.is_member(id) then game.hands[id] = nil end
  if game.hands[id] then here[#here + 1] = id end
end
if #here == 0 then
  redis.call("DEL", KEYS[1])
  godra.cancel("turn")
  return
end
if #here == 1 then return win(here[1]) end
if game.turn and game.hands[game.turn] then return save() end

local trick, played = {}, {}
for _, card in ipairs(game.trick) do
  if game.hands[card.user_id] then
    trick[#trick + 1] = card
    played[card.user_id] = true
  end
end
game.trick = trick

local from = seat_of(game.next)
local turn
for i = 0, #game.seats - 1 do
  local id = game.seats[(from + i - 1) % #game.seats + 1]
  if game.hands[id] and not played[id] then
    turn = id
    break
  end
end

if not turn then
  local best = trick[1]
  for _, card in ipairs(trick) do
    local same_suit = round.suit(card.card) == round.suit(best.card)
    if same_suit and card.card > best.card then best = card end
  end
  turn = best.user_id
  game.trick = {}
  game.won[turn] = game.won[turn] + 1
  game.last = turn
  godra.publish("trick", { user_id = turn, won = game.won[turn] })
end

if #game.hands[turn] == 0 then
  -- Of those with as many tricks, who has taken the last trick wins, else who sits first.
  local best = here[1]
  for _, id in ipairs(here) do
    local more = game.won[id] - game.won[best]
    if more > 0 or (more == 0 and id == game.last) then best = id end
  end
  return win(best)
end
game.turn, game.number = turn, game.number + 1
game.next = here_from(seat_of(turn) + 1)
godra.publish("turn", { user_id = turn, number = game.number, at = godra.now })
godra.tell(godra.room, "turn_over", { number = game.number }, { after = game.turn_ms, name = "turn" })
save()
