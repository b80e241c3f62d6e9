-- What a simulated player's input asks for, in order. As `hear`, for messages: with another ROLE.
-- ROLE: guest
-- KEYS: game:{room}, game:{room}:lease

local game, lease = KEYS[1], KEYS[2]
local input = cjson.decode(ARGV[2])
local is_quiet = { chain = true, mix = true }

local steps = {}
function steps.add(_, field, by) redis.call("HINCRBY", game, field, by) end
function steps.drop(_, field) redis.call("HDEL", game, field) end
function steps.lease(_, ms) redis.call("SET", lease, input.id, "PX", ms) end
function steps.extend(_, ms) redis.call("PEXPIRE", lease, ms) end
function steps.keep() redis.call("PERSIST", lease) end
function steps.free() redis.call("DEL", lease) end
function steps.say(index, options) godra.publish("said", { input.id, index }, options) end
function steps.ready(index)
  local event = '{"type":"said","payload":["' .. input.id .. '",' .. index .. "]}"
  redis.call("PUBLISH", "game_updates:game:" .. godra.room, event)
end
function steps.join(_, group, user) godra.join(group, user) end
function steps.leave(_, group, user) godra.leave(group, user) end
function steps.remove(_, user) godra.remove(user, "out") end
function steps.bar(_, user) redis.call("HSET", game, "barred", user) end
function steps.mix(_, by) redis.call("HSET", game, "mixed", ((redis.call("HGET", game, "mixed") or 0) * 2 + by) % 9973) end
function steps.tell(index, to, what, options)
  godra.tell(to, "hear", { id = input.id .. "." .. index, steps = what }, options)
end
function steps.pass(index, to, what, options)
  godra.tell(nil, "pass", { to = to, what = { id = input.id .. "." .. index, steps = what } }, options)
end
function steps.cancel(_, name)
  if godra.cancel(name) then redis.call("HINCRBY", game, "cancelled", 1) end
end
function steps.chain(_, to, left)
  if left > 0 then godra.tell(to, "hear", { id = input.id, steps = { { "chain", godra.room, left - 1 } } }) end
end
function steps.burst(_, to, count)
  for by = 1, count do godra.tell(to, "hear", { id = input.id, steps = { { "mix", by } } }) end
end
function steps.refuse() godra.error("refused", "not now") end
function steps.err() error("broken") end
function steps.wrong() redis.call("LPUSH", game, "x") end
function steps.index() return steps.nothing.at_all end

if ARGV[1] == "" and not is_quiet[input.steps[1][1]] then godra.publish("heard", { input.id }) end
for index, step in ipairs(input.steps) do
  steps[step[1]](index, step[2], step[3], step[4])
end
return redis.call("HINCRBY", game, "v", 1)
