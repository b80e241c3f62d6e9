-- No look shows these rooms for a while, as their messages cannot run now (see mail_look.lua).
-- In front of this comes mail_clock.lua. KEYS[1]: what the names of the keys begin with; ARGV: rooms, each with how many milliseconds that is (0: it is over).
local call, mail = redis.call, KEYS[1]
local time = call("TIME")
local now = read_mail_clock(mail, time[1] * 1000 + math.floor(time[2] / 1000))
-- What has deleted something may write, however full the store is.
call("DEL", mail .. "nothing")
for index = 1, #ARGV, 2 do call("ZADD", mail .. "held", now + ARGV[index + 1], ARGV[index]) end
return 0
