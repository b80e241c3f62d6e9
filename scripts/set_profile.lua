-- Changes the caller's own profile.
--
-- DATA: profile/{user}
-- ARGV: user_id, {name?, avatar?, settings?, version?}
--   name       1 to 32 characters; null: the username
--   avatar     the id of a picture (1 to 64 of A-Z, a-z, 0-9, _ and -), or where it is (https://…, up to 256 bytes); null: none
--   settings   {<name>: a text of up to 256 bytes, a number, true or false; null removes it}, merged with what is there; names are 1
--              to 32 of a-z, 0-9 and _
--   version    which one the caller has seen: with another one by now the call ends with conflict
-- Returns JSON text, as get_profile does.

local profiles = require("profiles")

local MAX_NAME = 32
local MAX_SETTINGS = 64

local function is_avatar(text)
  if type(text) ~= "string" or #text > 256 then return false end
  return #text <= 64 and string.find(text, "^[A-Za-z0-9_-]+$") or string.find(text, "^https://[A-Za-z0-9%._~:/%?#%[%]@!%$&%(%)%*%+,;=%%-]+$")
end

local function is_setting(value)
  if type(value) == "string" then return #value <= 256 end
  if type(value) == "number" then return value == value and value > -math.huge and value < math.huge end
  return type(value) == "boolean"
end

local function merge(settings, changes)
  if type(changes) ~= "table" then godra.error("bad_request", "settings must be an object") end
  for name, value in pairs(changes) do
    if type(name) ~= "string" or #name > 32 or not string.find(name, "^[a-z0-9_]+$") then
      godra.error("bad_request", "a setting's name must be 1 to 32 of a-z, 0-9 and _")
    elseif value == cjson.null then
      settings[name] = nil
    elseif is_setting(value) then
      settings[name] = value
    else
      godra.error("bad_request", "the setting " .. name .. " must be a text of up to 256 bytes, a number, true, false or null")
    end
  end
  local count = 0
  for _ in pairs(settings) do count = count + 1 end
  if count > MAX_SETTINGS then godra.error("too_large", "a profile has up to " .. MAX_SETTINGS .. " settings") end
end

local changes = godra.payload
if type(changes) ~= "table" or #changes > 0 then
  godra.error("bad_request", "what to change must be an object: {name?, avatar?, settings?, version?}")
end
for field in pairs(changes) do
  if field ~= "name" and field ~= "avatar" and field ~= "settings" and field ~= "version" then
    godra.error("bad_request", "a profile has name, avatar and settings, and the call perhaps a version")
  end
end

local profile, version = profiles.own()
if changes.version ~= nil and changes.version ~= version then
  godra.error("conflict", "the profile has changed meanwhile", { version = version })
end
if changes.name == cjson.null then
  profile.name = nil
elseif changes.name ~= nil then
  if type(changes.name) ~= "string" then godra.error("bad_request", "name must be a text") end
  local line = string.gsub(changes.name, "[%z\1-\31\127]", " ")
  profile.name = require("text").message(line, MAX_NAME, "name")
end
if changes.avatar == cjson.null then
  profile.avatar = nil
elseif changes.avatar ~= nil then
  if not is_avatar(changes.avatar) then
    godra.error("bad_request", "avatar must be 1 to 64 of A-Z, a-z, 0-9, _ and -, or begin with https:// and have up to 256 bytes")
  end
  profile.avatar = changes.avatar
end
if changes.settings ~= nil then merge(profile.settings, changes.settings) end

return profiles.answer(profile, profiles.save(profile))
