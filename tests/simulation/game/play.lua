-- What a simulated player's input asks for, in order.
-- ROLE: guest
-- KEYS: game:{room}, game:{room}:lease

local game, lease = KEYS[1], KEYS[2]
local input = cjson.decode(ARGV[2])

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
function steps.refuse() godra.error("refused", "not now") end
function steps.err() error("broken") end
function steps.wrong() redis.call("LPUSH", game, "x") end
function steps.index() return steps.nothing.at_all end

for index, step in ipairs(input.steps) do
  steps[step[1]](index, step[2], step[3])
end
return redis.call("HINCRBY", game, "v", 1)
