-- godra.ledger: accounts of whole numbers, by the rules of every store. This is part of a program only if one of its scripts may ask
-- for it. In front of this come get_ledger_bounds(), which gives { amount, items, item_bytes, reason_bytes, key_bytes, keys, keys_bytes,
-- keys_ms }, and get_ledger_texts(), which gives what refusals say.
-- What is kept of an account beside its balances is JSON: the keys at hand, as [{"k":key,"v":version,"t":time,"c":changes,"b":balances}, …],
-- and of each change an entry.
-- The tools are what documents have; besides encode, is_utf8 and read_owner.
local make_ledger
do
  local KEY_BEGINS = '{"k":"'

  local function digits(number) return string.format("%.0f", number) end

  function make_ledger(tools)
    local BOUNDS, TEXTS = get_ledger_bounds(), get_ledger_texts()
    local encode = tools.encode

    local function say(text, ...) return string.format(TEXTS[text], ...) end

    local function is_name(text, most)
      return #text >= 1 and #text <= most and tools.is_utf8(text)
        and not string.find(text, "[%z\1-\31\127]") and not string.find(text, "\194[\128-\159]")
    end

    local function encode_amounts(amounts)
      local items, parts = {}, {}
      for item in pairs(amounts) do items[#items + 1] = item end
      table.sort(items)
      for index = 1, #items do parts[index] = encode(items[index]) .. ":" .. digits(amounts[items[index]]) end
      return "{" .. table.concat(parts, ",") .. "}"
    end

    -- What a script wants to add to which items; nil and what is wrong.
    local function read_changes(changes)
      if type(changes) ~= "table" then return nil, TEXTS.no_changes end
      local count, found = 0, {}
      for item, amount in pairs(changes) do
        count = count + 1
        if type(item) ~= "string" then return nil, TEXTS.no_changes end
        if count > BOUNDS.items then return nil, TEXTS.too_many_items end
        if not is_name(item, BOUNDS.item_bytes) then return nil, TEXTS.bad_item end
        if type(amount) ~= "number" or amount % 1 ~= 0 or math.abs(amount) > BOUNDS.amount then
          return nil, say("not_whole", item)
        end
        -- There is no -0.
        found[item] = amount + 0
      end
      if count == 0 then return nil, TEXTS.no_changes end
      return found
    end

    local function read_reason(reason)
      if reason == nil then return nil, TEXTS.bad_reason end
      if type(reason) ~= "string" and type(reason) ~= "number" then
        return nil, "bad argument #3 to 'ledger' (string expected, got " .. type(reason) .. ")"
      end
      reason = tostring(reason)
      if not tools.is_utf8(reason) then return nil, tools.texts.not_text end
      if #reason < 1 or #reason > BOUNDS.reason_bytes then return nil, TEXTS.bad_reason end
      return reason
    end

    -- Which items may be below 0, as a function; nil and what is wrong.
    local function read_allowed(allowed)
      if allowed == nil or type(allowed) == "boolean" then return function() return allowed end end
      if type(allowed) ~= "table" or #allowed > BOUNDS.items then return nil, TEXTS.bad_allow_negative end
      local items = {}
      for index = 1, #allowed do
        local item = allowed[index]
        if type(item) ~= "string" and type(item) ~= "number" then return nil, TEXTS.bad_allow_negative end
        items[tostring(item)] = true
      end
      return function(item) return items[item] end
    end

    local function read_options(options)
      options = options == nil and {} or options
      if type(options) ~= "table" then return nil, "bad argument #4: a table of options, got " .. type(options) end
      for option in pairs(options) do
        if option ~= "key" and option ~= "allow_negative" and option ~= "owner" then
          local shown = type(option) == "string" and string.sub(option, 1, 200) or ""
          return nil, 'no option "' .. shown .. '": there are key, allow_negative, owner'
        end
      end
      local key, found = options.key, {}
      if key ~= nil then
        if type(key) ~= "string" and type(key) ~= "number" then return nil, TEXTS.bad_key end
        found.key = tostring(key)
        if not is_name(found.key, BOUNDS.key_bytes) then return nil, TEXTS.bad_key end
      end
      local why
      found.allows, why = read_allowed(options.allow_negative)
      if not found.allows then return nil, why end
      if options.owner ~= nil then
        found.owner, why = tools.read_owner(options.owner)
        if not found.owner then return nil, why end
      end
      return found
    end

    -- What an account has, and the keys at hand; nil if the document is none.
    local function read_account(before)
      if before.json == "" then return {}, {} end
      if before.keys == "" then return nil end
      local ok, all, recent = pcall(function() return cjson.decode(before.json), cjson.decode(before.keys) end)
      if ok and type(all) == "table" and type(recent) == "table" then return all, recent end
    end

    local function are_same(amounts, others)
      for item, amount in pairs(amounts) do
        if others[item] ~= amount then return false end
      end
      for item in pairs(others) do
        if amounts[item] == nil then return false end
      end
      return true
    end

    -- The entry of the same key, if the change was made before.
    local function find_made(name, recent, key, changes)
      for index = 1, key and #recent or 0 do
        local made = recent[index]
        if made.k == key then
          if are_same(made.c, changes) then return made end
          error({ code = "conflict", message = say("other_changes", key, name) }, 0)
        end
      end
    end

    -- The balances of what changes as they are after it; nil and why it cannot be.
    local function balances_after(name, all, changes, allows)
      local after = {}
      for item, change in pairs(changes) do
        local before = all[item] or 0
        local balance = before + change
        -- Beyond 2^53 sums are rounded.
        if math.abs(balance) > BOUNDS.amount or balance - before ~= change then return nil, say("beyond", name, item) end
        -- Who pays back a debt need not pay back all of it.
        if balance < 0 and change < 0 and not allows(item) then
          error({ code = "insufficient", message = say("insufficient", name, digits(before), item, digits(-change)) }, 0)
        end
        after[item] = balance + 0
      end
      return after
    end

    -- The keys at hand after an entry, the latest last. The oldest go as far as there are too many: an account's texts hold no bare
    -- quotation mark, so nothing but the beginning of a key's place looks like one.
    local function remember(keys, added, now)
      local list, count, at = string.sub(keys, 2, -2), 0, 1
      if added then list = list == "" and added or list .. "," .. added end
      repeat
        at = string.find(list, KEY_BEGINS, at, true)
        if at then count, at = count + 1, at + 1 end
      until not at
      local function is_old()
        local time = string.match(list, '"t":(%d+)')
        return time and tonumber(time) + BOUNDS.keys_ms < now
      end
      while count > BOUNDS.keys or #list + 2 > BOUNDS.keys_bytes and count > 1 or is_old() do
        local next_at = string.find(list, "," .. KEY_BEGINS, 1, true)
        list, count = next_at and string.sub(list, next_at + 1) or "", count - 1
      end
      return "[" .. list .. "]"
    end

    -- The balances and whether the change had been made before; nil and what is wrong.
    return function(name, is_own, changes, reason, options)
      if not tools.is_ledger(name) then return nil, say("no_ledger", name, string.match(name, "^[^/]*")) end
      local why, owner
      changes, why = read_changes(changes)
      if not changes then return nil, why end
      reason, why = read_reason(reason)
      if not reason then return nil, why end
      options, why = read_options(options)
      if not options then return nil, why end
      local before = tools.read(name)
      owner, why = tools.owner_after(name, is_own, before, options)
      if not owner then return nil, why end
      local all, recent = read_account(before)
      if not all then return nil, say("not_an_account", name) end
      local made = find_made(name, recent, options.key, changes)
      if made then return made.b, true end
      local balances
      balances, why = balances_after(name, all, changes, options.allows)
      if not balances then return nil, why end
      for item, balance in pairs(balances) do all[item] = balance ~= 0 and balance or nil end
      local json = encode_amounts(all)
      why = tools.unfit(json)
      if why then return nil, why end
      local version, now = digits(before.version + 1), digits(tools.now)
      local key, changed, left = options.key and encode(options.key), encode_amounts(changes), encode_amounts(balances)
      local added = key
        and string.format('{"k":%s,"v":%s,"t":%s,"c":%s,"b":%s}', key, version, now, changed, left)
      local keys = remember(before.json == "" and "[]" or before.keys, added, tools.now)
      local entry = string.format(
        '{"version":%s,"key":%s,"changes":%s,"balances":%s,"reason":%s,"at_ms":%s}',
        version, key or "null", changed, left, encode(reason), now
      )
      tools.put(name, before, { json = json, owner = owner, schema = 1, keys = keys, entry = entry })
      return balances, false
    end
  end
end
