-- Whose turn it is in a game in turns. The state's field `turns` has {order, at, n, ends_at, limit_ms}.

local turns = {}

-- The turn of who is next begins: it has its time limit, and all are told.
function turns.begin(game, state)
  game.ends_at = godra.now + game.limit_ms
  redis.call("HSET", state, "turns", cjson.encode(game))
  godra.tell(godra.room, "turn_over", { n = game.n }, { after = game.limit_ms, name = "turn" })
  godra.publish("turn", { user_id = game.order[game.at], n = game.n, ends_at = game.ends_at })
end

-- It goes to the next one who is still in the room.
function turns.pass(game, players, state)
  for _ = 1, #game.order do
    game.at = game.at % #game.order + 1
    if redis.call("SISMEMBER", players, game.order[game.at]) == 1 then break end
  end
  game.n = game.n + 1
  turns.begin(game, state)
end

return turns
