-- Commands whose answer hangs on chance or on the clock, so that a call's seed and time decide it as on the embedded store:
-- of a set, a hash or a sorted set of few members, those are picked that the call's random numbers name; of larger ones, and
-- where the arguments are wrong, the store picks. In front of this come get_random and MAX_ORDERED (how many are few).
local PICKS = " srandmember hrandfield zrandmember spop time "
local made_picks, made_picking
-- The commands by their names in lower case, and a redis with them.
local function get_picks()
  if made_picks then return made_picks, made_picking end
  local function make_picks()
    local run = redis.pcall
    local random = get_random()
    -- Dragonfly runs Lua 5.4.
    local unpack = table.unpack or unpack
    local picks = {}

    local function is_before(one, other)
      for at = 1, math.min(#one, #other) do
        local a, b = string.byte(one, at), string.byte(other, at)
        if a ~= b then return a < b end
      end
      return #one < #other
    end
    -- Lua compares as the server's language does, and it may not be that of bytes.
    local bytewise = "a" < "B" and is_before or nil

    local function members_of(key)
      local members = run("SMEMBERS", key)
      table.sort(members, bytewise)
      return members
    end

    -- A number that Redis takes for a count of few; none for what is for the store to pick, or to refuse.
    local function count_of(value)
      local text = type(value) == "number" and string.format("%.17g", value) or value
      local count = type(text) == "string" and (text == "0" or string.find(text, "^%-?[1-9]%d*$")) and tonumber(text)
      return count and math.abs(count) <= MAX_ORDERED and count or nil
    end

    -- So many of an order, each for its own; with a negative count again and again the same.
    local function draw(order, count)
      local drawn, size = {}, #order
      for nth = 1, count < 0 and -count or math.min(count, size) do
        if count < 0 then
          drawn[nth] = order[random.below(size) + 1]
        else
          local other = nth + random.below(size - nth + 1)
          order[nth], order[other] = order[other], order[nth]
          drawn[nth] = order[nth]
        end
      end
      return drawn
    end

    local function has_few(size_command, key)
      local size = run(size_command, key)
      return type(size) == "number" and size > 0 and size <= MAX_ORDERED
    end

    function picks.srandmember(command, ...)
      local key, count = ...
      local given = select("#", ...)
      local wanted = given == 1 and 1 or given == 2 and count_of(count)
      if not wanted or not has_few("SCARD", key) then return run(command, ...) end
      local drawn = draw(members_of(key), wanted)
      return given == 1 and drawn[1] or drawn
    end

    function picks.spop(command, ...)
      local key, count = ...
      local given = select("#", ...)
      local wanted = given == 1 and 1 or given == 2 and count_of(count)
      if not wanted or wanted < 1 or not has_few("SCARD", key) then return run(command, ...) end
      local drawn = draw(members_of(key), wanted)
      local removed = run("SREM", key, unpack(drawn))
      if type(removed) == "table" then return removed end
      return given == 1 and drawn[1] or drawn
    end

    -- HRANDFIELD and ZRANDMEMBER; names() tells the names in order and what belongs to each.
    local function pick_with(option, size_command, names)
      return function(command, ...)
        local key, count, keyword = ...
        local given = select("#", ...)
        local wanted = given == 1 and 1 or (given == 2 or given == 3) and count_of(count)
        local has_values = given == 3 and type(keyword) == "string" and string.lower(keyword) == option
        if not wanted or given == 3 and not has_values or not has_few(size_command, key) then return run(command, ...) end
        local order, value_of = names(key)
        local drawn = draw(order, wanted)
        if given == 1 then return drawn[1] end
        if not has_values then return drawn end
        local pairs_drawn = {}
        for index = 1, #drawn do
          pairs_drawn[2 * index - 1], pairs_drawn[2 * index] = drawn[index], value_of[drawn[index]]
        end
        return pairs_drawn
      end
    end

    local function odd(list)
      local order, value_of = {}, {}
      for index = 1, #list, 2 do
        order[#order + 1] = list[index]
        value_of[list[index]] = list[index + 1]
      end
      return order, value_of
    end

    picks.hrandfield = pick_with("withvalues", "HLEN", function(key)
      local fields, value_of = odd(run("HGETALL", key))
      table.sort(fields, bytewise)
      return fields, value_of
    end)

    picks.zrandmember = pick_with("withscores", "ZCARD", function(key)
      return odd(run("ZRANGE", key, 0, -1, "WITHSCORES"))
    end)

    -- As godra.now, to the millisecond.
    function picks.time(command, ...)
      if select("#", ...) > 0 then return run(command, ...) end
      return { time[1], string.format("%d", math.floor(time[2] / 1000) * 1000) }
    end

    -- In place of redis for scripts that are not atomic and may call one of these.
    local function command_pcall(command, ...)
      local pick = type(command) == "string" and picks[string.lower(command)]
      if pick then return pick(command, ...) end
      return run(command, ...)
    end
    local function command_call(command, ...)
      local reply = command_pcall(command, ...)
      if type(reply) == "table" and reply.err then error(reply, 0) end
      return reply
    end
    return picks, setmetatable({ call = command_call, pcall = command_pcall }, { __index = redis })
  end
  made_picks, made_picking = make_picks()
  return made_picks, made_picking
end
