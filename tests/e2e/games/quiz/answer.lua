-- A guest answers the question, once and in time. What the answer was worth is told to nobody before the time is over.
--
-- ROLE: guest
-- KEYS: game:{room}, game:{room}:quiz, game:{room}:answers, game:{room}:gained
-- ARGV: user_id, {number, choice}
-- Publishes answers {count} to the host. Returns OK.

local KEEP_S = 24 * 60 * 60
local MOST, LEAST = 1000, 500 -- points for a right answer, at once and in the last moment

local answer = type(godra.payload) == "table" and godra.payload or {}
if type(answer.number) ~= "number" then godra.error("bad_request", "number must be the question's") end
if not godra.is_member() then godra.error("forbidden", "You are not in this lobby") end
local host = redis.call("HGET", KEYS[1], "owner")
if host == godra.user.id then godra.error("forbidden", "The host does not answer") end

local unpack = table.unpack or unpack -- Lua 5.4 has it there, 5.1 here
local number, right, choices, time_ms, ends =
  unpack(redis.call("HMGET", KEYS[2], "number", "right", "choices", "time_ms", "ends"))
if answer.number > (tonumber(number) or 0) then godra.error("too_early", "That question has not been asked") end
-- The timer may come a moment late; the clock decides.
if answer.number < tonumber(number) or not ends or godra.now >= tonumber(ends) then
  godra.error("too_late", "The time for that question is over")
end
local choice = answer.choice
if type(choice) ~= "number" or choice % 1 ~= 0 or choice < 1 or choice > tonumber(choices) then
  godra.error("bad_request", "choice must be a whole number from 1 to " .. choices)
end
if redis.call("HSETNX", KEYS[3], godra.user.id, choice) == 0 then
  godra.error("already_answered", "You have answered this question")
end

if choice == tonumber(right) then
  local left = (tonumber(ends) - godra.now) / tonumber(time_ms)
  redis.call("ZADD", KEYS[4], math.floor(LEAST + (MOST - LEAST) * left), godra.user.id)
  redis.call("EXPIRE", KEYS[4], KEEP_S)
end
redis.call("EXPIRE", KEYS[3], KEEP_S)
godra.publish("answers", { count = redis.call("HLEN", KEYS[3]) }, { to = host, replace = "answers" })
return "OK"
