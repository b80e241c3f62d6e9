-- The host, who is the lobby's owner, asks a question.
--
-- ROLE: guest
-- KEYS: game:{room}, game:{room}:quiz
-- ARGV: user_id, {text, choices: 2 to 6 texts, right: the number of one, from 1, time_ms: 500 to 60000}
-- Publishes question {number, text, choices, ends}. Returns the question's number.

local KEEP_S = 24 * 60 * 60

local function is_text(value) return type(value) == "string" and #value >= 1 and #value <= 500 end
local function is_whole(value, from, to)
  return type(value) == "number" and value % 1 == 0 and value >= from and value <= to
end

if redis.call("HGET", KEYS[1], "owner") ~= godra.user.id or not godra.is_member() then
  godra.error("forbidden", "Only the host asks")
end
local asked = type(godra.payload) == "table" and godra.payload or {}
local choices = type(asked.choices) == "table" and asked.choices or {}
if not is_text(asked.text) then godra.error("bad_request", "text must be a text of 1 to 500 bytes") end
if #choices < 2 or #choices > 6 then godra.error("bad_request", "choices must be a list of 2 to 6 texts") end
for _, choice in ipairs(choices) do
  if not is_text(choice) then godra.error("bad_request", "choices must be texts of 1 to 500 bytes") end
end
if not is_whole(asked.right, 1, #choices) then godra.error("bad_request", "right must be the number of a choice, from 1") end
if not is_whole(asked.time_ms, 500, 60000) then
  godra.error("bad_request", "time_ms must be a whole number from 500 to 60000")
end
if redis.call("HGET", KEYS[2], "ends") then godra.error("conflict", "The last question's time is not over") end

local number = redis.call("HINCRBY", KEYS[2], "number", 1)
local ends = godra.now + asked.time_ms
redis.call("HSET", KEYS[2], "right", asked.right, "choices", #choices, "time_ms", asked.time_ms, "ends", ends)
redis.call("EXPIRE", KEYS[2], KEEP_S)
local question = { number = number, text = asked.text, choices = choices, ends = ends }
godra.state.set("question", question)
godra.publish("question", question)
godra.tell(godra.room, "time_up", { number = number }, { after = asked.time_ms, name = "question" })
return number
