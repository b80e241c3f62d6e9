-- KEYS: game:{room}, game:{room}:lease
local all, names, values = redis.call("HGETALL", KEYS[1]), {}, {}
for place = 1, #all, 2 do
  names[#names + 1] = all[place]
  values[all[place]] = all[place + 1]
end
table.sort(names)
local state = { redis.call("GET", KEYS[2]) or "", string.format("%d", redis.call("PEXPIRETIME", KEYS[2])) }
for _, name in ipairs(names) do
  state[#state + 1] = name .. "=" .. values[name]
end
return state
