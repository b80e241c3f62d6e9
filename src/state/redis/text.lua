-- Whether a text is UTF-8 as RFC 3629 has it. What events hold nearly always is plain ASCII, and that is found out at once.
local function is_utf8(text)
  local find, gsub = string.find, string.gsub
  if find(text, "^[^\128-\255]*$") then return true end
  text = gsub(text, "[\194-\223][\128-\191]", "?")
  text = gsub(text, "[\225-\236\238\239][\128-\191][\128-\191]", "?")
  if not find(text, "[\128-\255]") then return true end
  text = gsub(text, "\224[\160-\191][\128-\191]", "?")
  text = gsub(text, "\237[\128-\159][\128-\191]", "?")
  text = gsub(text, "\240[\144-\191][\128-\191][\128-\191]", "?")
  text = gsub(text, "[\241-\243][\128-\191][\128-\191][\128-\191]", "?")
  text = gsub(text, "\244[\128-\143][\128-\191][\128-\191]", "?")
  return not find(text, "[\128-\255]")
end
