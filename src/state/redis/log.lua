-- What a call may print. number() tells which call it is; put(place, text) keeps a line.
local function make_log(number, put)
  local printed, of_call = 0, 0
  return function(place, text)
    if of_call ~= number() then printed, of_call = 0, number() end
    printed = printed + 1
    if printed > MAX_PRINTS + 1 then return end
    if printed > MAX_PRINTS then text = PRINTS_LEFT_OUT end
    put(place, string.sub(text, 1, MAX_PRINT_BYTES))
  end
end
