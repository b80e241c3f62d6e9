-- The time for a question is over: everybody hears what was right, how many chose what, and who leads.
--
-- ROLE: server
-- KEYS: game:{room}:quiz, game:{room}:answers, game:{room}:gained, game:{room}:points
-- Payload: {number}. Publishes revealed {number, right, counts, leaders: [{user_id, points}]}.

local LEADERS, KEEP_S = 10, 24 * 60 * 60

local right = tonumber(redis.call("HGET", KEYS[1], "right"))
local choices = tonumber(redis.call("HGET", KEYS[1], "choices"))
local counts = {}
for choice = 1, choices do counts[choice] = 0 end
for _, choice in ipairs(redis.call("HVALS", KEYS[2])) do
  counts[tonumber(choice)] = counts[tonumber(choice)] + 1
end
redis.call("ZUNIONSTORE", KEYS[4], 2, KEYS[4], KEYS[3])
redis.call("EXPIRE", KEYS[4], KEEP_S)
redis.call("DEL", KEYS[2], KEYS[3])
redis.call("HDEL", KEYS[1], "ends")

local leaders = godra.array()
local flat = redis.call("ZREVRANGE", KEYS[4], 0, LEADERS - 1, "WITHSCORES")
for i = 1, #flat, 2 do leaders[#leaders + 1] = { user_id = flat[i], points = tonumber(flat[i + 1]) } end
godra.state.delete("question")
godra.publish("revealed", { number = godra.payload.number, right = right, counts = counts, leaders = leaders })
