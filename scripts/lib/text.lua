-- What players say.

local text = {}

-- What nobody sees is taken out: control characters, zero-width ones, and those that turn the direction of what follows. Tabs and
-- line breaks stay, and so do joiners and variation selectors, of which emoji and some scripts are made.
local TAKEN_OUT = {
  "[%z\1-\8\11-\31\127]", "\194[\128-\159]", -- control characters
  "\194\173", "\225\160\142", "\226\128\139", "\226\129[\160-\164]", "\239\187\191", -- soft hyphen, zero-width spaces, word joiner
  "\226\128[\170-\174]", "\226\129[\166-\175]", "\239\191[\185-\187]", -- bidirectional overrides and isolates, annotations
}
-- Spaces beyond ASCII, and what is blank for other reasons.
local BLANKS = {
  "\194\160", "\225\154\128", "\226\128[\128-\138\168\169\175]", "\226\129\159", "\227\128\128",
  "\225\133[\159\160]", "\227\133\164", "\239\190\160", "\226\160\128", -- fillers of Hangul, an empty Braille cell
}
-- They show nothing by themselves: joiners, marks of direction, variation selectors, tags.
local INVISIBLE = {
  "\205\143", "\216\156", "\225\158[\180\181]", "\225\160[\139-\143]", "\226\128[\140-\143]", "\239\184[\128-\143]",
  "\243\160[\128-\135][\128-\191]",
}

local function replace(said, patterns, by)
  for _, pattern in ipairs(patterns) do said = string.gsub(said, pattern, by) end
  return said
end

-- The message without what nobody sees, and without blanks around it; "" if it shows nothing.
local function clean(said)
  said = replace(said, TAKEN_OUT, "")
  local marked = replace(said, BLANKS, function(blank) return string.rep(" ", #blank) end)
  if not string.find(replace(marked, INVISIBLE, ""), "%S") then return "" end
  local first, last = string.find(marked, "%S"), #marked
  while string.find(marked, "^%s", last) do last = last - 1 end
  return string.sub(said, first, last)
end

-- A message (or what `name` says) as it is shown, of 1 to `most` characters. Anything else ends the call with bad_request.
function text.message(said, most, name)
  -- In UTF-8, every byte that does not continue a character begins one.
  local _, characters = string.gsub(said, "[^\128-\191]", "")
  if characters < 1 or characters > most then
    godra.error("bad_request", (name or "message") .. " must have 1 to " .. most .. " characters")
  end
  said = clean(said)
  if said == "" then
    godra.error("bad_request", (name or "message") .. " must have something to be seen in it")
  end
  return said
end

return text
