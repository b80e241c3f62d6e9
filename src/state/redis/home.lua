-- In which of several stores a room lives, as src/state/redis/peers.rs has it: where the hash of the store's address and the room's
-- id is the highest. This is part of a program only if there are several, and is asked only when one of them takes nothing more: it
-- takes some hundred steps a letter.
-- A number of 64 bits is a list of four of 16, the lowest first.
local function make_home(stores)
  local function xor(one, other)
    local found, place = 0, 1
    while one > 0 or other > 0 do
      if one % 2 ~= other % 2 then found = found + place end
      one, other, place = math.floor(one / 2), math.floor(other / 2), place * 2
    end
    return found
  end

  local function add(one, other)
    local sum, carry = {}, 0
    for place = 1, 4 do
      local here = one[place] + other[place] + carry
      sum[place], carry = here % 65536, math.floor(here / 65536)
    end
    return sum
  end

  local function multiply(one, other)
    local product, carry = {}, 0
    for place = 1, 4 do
      local here = carry
      for of_one = 1, place do here = here + one[of_one] * other[place - of_one + 1] end
      product[place], carry = here % 65536, math.floor(here / 65536)
    end
    return product
  end

  -- The number, changed by what it is without its last bits (more than 15, and less than 32).
  local function fold(number, bits)
    local part, folded = 2 ^ (bits - 16), {}
    for place = 1, 4 do
      local high, higher = number[place + 1] or 0, number[place + 2] or 0
      folded[place] = xor(number[place], math.floor(high / part) + higher * (65536 / part) % 65536)
    end
    return folded
  end

  local PRIME = { 0x01b3, 0, 0x0100, 0 }
  local function hash(number, text)
    for place = 1, #text do
      number[1] = xor(number[1], string.byte(text, place))
      number = multiply(number, PRIME)
    end
    return number
  end

  local function weight(store, room)
    local number = hash({ 0x2325, 0x8422, 0x9ce4, 0xcbf2 }, store .. "\0" .. room)
    number = add(number, { 0x7c15, 0x7f4a, 0x79b9, 0x9e37 })
    number = multiply(fold(number, 30), { 0xe5b9, 0x1ce4, 0x476d, 0xbf58 })
    number = multiply(fold(number, 27), { 0x11eb, 0x1331, 0x49bb, 0x94d0 })
    return fold(number, 31)
  end

  local function is_above(one, other)
    for place = 4, 1, -1 do
      if one[place] ~= other[place] then return one[place] > other[place] end
    end
    return false
  end

  return function(room)
    local home, most
    for _, store in ipairs(stores) do
      local found = weight(store, room)
      if not most or is_above(found, most) then home, most = store, found end
    end
    return home
  end
end
