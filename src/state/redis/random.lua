-- The random numbers of a call: the same from the same seed as those of the embedded store, of which `call_random.rs` tells.
-- Every product stays below 2^53, so that doubles hold it. A call's seed is that of the batch and its place in it; its numbers
-- begin when it asks for the first.
-- The running call's place in the batch, and its time.
local number, time = 0, redis.call("TIME")
local made_random
local function get_random()
  if made_random then return made_random end
  local function make_random(first_seed)
    local MODULUS_1, MODULUS_2 = 4294967087, 4294944443
    local floor = math.floor
    local a, b, c, d, e, f
    local seeded = 0
    local random = {}

    local function reseed(text)
      local digest = redis.sha1hex(text)
      local function word(at) return tonumber(string.sub(digest, at, at + 7), 16) end
      a, b, c = word(1) % MODULUS_1, word(9) % MODULUS_1, word(17) % MODULUS_1
      d, e, f = word(25) % MODULUS_2, word(33) % MODULUS_2, 1
      seeded = number
    end

    local function unit()
      if seeded ~= number then reseed(string.format("%.0f", first_seed + number - 1)) end
      a, b, c = b, c, (1403580 * b - 810728 * a) % MODULUS_1
      d, e, f = e, f, (527612 * f - 1370589 * d) % MODULUS_2
      local high = (c - f) % MODULUS_1
      a, b, c = b, c, (1403580 * b - 810728 * a) % MODULUS_1
      d, e, f = e, f, (527612 * f - 1370589 * d) % MODULUS_2
      local low = floor((c - f) % MODULUS_1 / 2048)
      return (high * 2097152 + low) / (MODULUS_1 * 2097152)
    end

    -- From 0 to less than an end.
    function random.below(limit) return floor(unit() * limit) end

    local function complain(place, name, kind, level)
      error("bad argument #" .. place .. " to '" .. name .. "' (number expected, got " .. kind .. ")", level + 1)
    end

    -- As C's int has it.
    local function check_int(value, place)
      local found = tonumber(value) or complain(place, "random", type(value), 3)
      if not (math.abs(found) < 9223372036854775808) then return 0 end
      found = (found < 0 and math.ceil(found) or floor(found)) % 4294967296
      return found < 2147483648 and found or found - 4294967296
    end

    function random.random(...)
      local drawn, count, low, high = unit(), select("#", ...), 1, nil
      if count == 0 then return drawn end
      if count == 1 then
        high = check_int((...), 1)
      elseif count == 2 then
        local from, to = ...
        low, high = check_int(from, 1), check_int(to, 2)
      else
        error("wrong number of arguments", 2)
      end
      if low > high then error("bad argument #" .. count .. " to 'random' (interval is empty)", 2) end
      return floor(drawn * (high - low + 1)) + low
    end

    function random.randomseed(...)
      local seed = tonumber((...)) or complain(1, "randomseed", select("#", ...) == 0 and "no value" or type((...)), 2)
      reseed(seed ~= seed and "nan" or string.format("%.17g", seed))
    end

    return random
  end
  made_random = make_random(tonumber(ARGV[5]))
  return made_random
end
