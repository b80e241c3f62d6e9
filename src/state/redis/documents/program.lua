-- Documents: godra.load, godra.save and godra.delete, and what calls have saved on its way to the database. This is part of a
-- program only if one of its scripts works on documents. In front of this come get_document_bounds(), which gives { waiting, bytes,
-- value_bytes, owner_bytes, idle_s, kept_s, ledgers (the collections that are, each with a space around it) }, get_document_texts(), which
-- gives what refusals say, and get_document_forms(place of a script), which gives the forms above the first that it knows, by collection, and
-- where its libraries are, if it knows any; and make_ledger (see ledger.lua), or nil.
-- Behind OWN_KEYS .. "data:":
--   home       hash: the store's id as a home of documents, the run of the store that gave it, and when a node was last here (see home.lua)
--   doc:NAME   hash of a hot document: "m" is "version home schema updated owner" (a document of another home is not hot any more),
--              "j" its value as JSON or "" if there is none, "u" when it was used last, in seconds; of an account of a ledger, "k" its keys at hand
--   out        list of what calls have saved and the database does not have yet: msgpack of { number, home, bytes of all before
--              and of this, { name, base version, version, owner, schema, updated, value, … } }, and behind it, if the call has changed accounts
--              of ledgers, { the place of the save among these, keys at hand, JSON of the entries, … }
--   out_at     hash: tag (of the store's data), last number, total bytes, written number, written_total bytes
--   waits      sorted set of rooms that wait until an entry is written, by its number
--   lost       sorted set of entries that the database has refused lately, by their numbers
--   dirty      hash: name -> the last number that it is saved by
-- The last of ARGV is msgpack of one entry a call: 0, { 0, code, message } of one that is refused, or { 1, name, whether it is the
-- caller's own (1), … }.
-- The tools: number(), caller() and game() ("GAME~" of its script, or "") of the running call, commands() that it has, is_atomic(), is_durable(), now, keep, encode, is_utf8, is_too_deep(text).
local make_documents
do
  local call, unpack = redis.call, table.unpack or unpack

  local function digits(number) return string.format("%.0f", number) end

  local function write_meta(document, home)
    return string.format("%.0f %s %d %.0f %s", document.version, home, document.schema, document.updated, document.owner)
  end

  local function read_meta(text, home)
    local version, of, schema, updated, owner = string.match(text or "", "^(%d+) (%S+) (%d+) (%d+) (.*)$")
    if of ~= home then return nil end
    return { version = tonumber(version), schema = tonumber(schema), updated = tonumber(updated), owner = owner }
  end

  function make_documents(tools)
    local documents, BOUNDS, PREFIX = {}, get_document_bounds(), OWN_KEYS .. "data:"
    local by_call = cmsgpack.unpack(ARGV[#ARGV])
    local home = call("HGET", PREFIX .. "home", "id")
    local number = tools.number
    -- Names of what is not in the store.
    local missing = {}
    -- Of each call that has saved something: whether it keeps that when it fails, and the saves in order.
    local saved = {}
    -- What the outbox has, and what this batch adds.
    local waiting, waiting_bytes
    -- Of the running script, and of its call.
    local script_place, forms, libraries, require
    local run_with = {}
    local ledger

    local function key(name) return PREFIX .. "doc:" .. name end

    -- Looks whether all is there. What is used stays.
    local function look()
      local seen, count, seconds = {}, 0, math.floor(tools.now / 1000)
      for index = 1, #by_call do
        local declared = by_call[index]
        for at = 2, declared ~= 0 and declared[1] == 1 and #declared or 0, 2 do
          local name = declared[at]
          if not seen[name] then
            seen[name] = true
            local found = call("HMGET", key(name), "m", "u")
            if not home or not read_meta(found[1], home) then
              count = count + 1
              missing[name], missing[count] = true, name
            elseif seconds - tonumber(found[2] or 0) > BOUNDS.idle_s then
              tools.keep("HSET", key(name), "u", seconds)
              call("EXPIRE", key(name), BOUNDS.kept_s)
            end
          end
        end
      end
    end

    -- What the batch is answered whose documents are not all there, if it may come again: nothing of it has run.
    function documents.cold(may_come_again)
      look()
      if may_come_again and missing[1] then return { "cold", unpack(missing) } end
    end

    local function refuse(code, message)
      return function() error({ code = code, message = message }, 0) end
    end

    -- The calls behind this are of the script at that place.
    function documents.enter(place) script_place, forms = place, nil end

    -- What brings documents up is run as a part of the call.
    local function told(body)
      return function(...)
        run_with, require = { ... }, nil
        return body(...)
      end
    end

    -- The form of a document that the running script knows.
    local function form_of(name)
      if not forms then forms, libraries = get_document_forms(script_place) end
      return forms[string.match(name, "^[^/]*")] or 1
    end

    -- What a call runs: its script, or an error if it is not to run.
    function documents.guard(body)
      if get_document_forms(script_place, true) then body = told(body) end
      local declared = by_call[number()]
      if declared == 0 then return body end
      if declared[1] == 0 then return refuse(declared[2], declared[3]) end
      for at = 2, #declared, 2 do
        if missing[declared[at]] then
          declared[1] = 0
          return refuse("unavailable", get_document_texts().not_hot)
        end
      end
      return body
    end

    -- One that did not run has not failed by its script.
    function documents.is_refused(place) return by_call[place] ~= 0 and by_call[place][1] == 0 end

    local function names_of(declared)
      local names = {}
      for at = 2, declared ~= 0 and #declared or 0, 2 do names[#names + 1] = declared[at] end
      return names
    end

    -- Whether a document of the running call is its caller's own; nil and why it has none of that name.
    local function find(name)
      local declared = by_call[number()]
      for at = 2, declared ~= 0 and #declared or 0, 2 do
        if declared[at] == name then return declared[at + 1] == 1 end
      end
      local names = names_of(declared)
      local text = #names == 0 and get_document_texts().no_documents or get_document_texts().not_declared
      return nil, string.format(text, string.sub(name, 1, 200), table.concat(names, ", "))
    end

    local function read(name)
      local found = call("HMGET", key(name), "m", "j", "k")
      local document = read_meta(found[1], home)
      -- A script has removed all keys.
      if not document then error({ code = "unavailable", message = get_document_texts().not_hot }, 0) end
      document.json, document.keys = found[2] or "", found[3] or ""
      return document
    end

    -- What is wrong with the form of a document, if it is one that the script does not know.
    local function unknown_form(name, document)
      if document.json ~= "" and document.schema > form_of(name) then
        return string.format(get_document_texts().newer, name, digits(document.schema), digits(form_of(name)))
      end
    end

    local function is_ledger(name)
      return string.find(BOUNDS.ledgers, " " .. string.match(name, "^[^/]*") .. " ", 1, true) ~= nil
    end

    -- The value of a document as a script expects it that knows a higher form; nil and why there is none.
    local function bring_up(name, document)
      local collection = string.match(name, "^[^/]*")
      local library = "migrate_" .. string.gsub(string.match(collection, "~(.*)$") or collection, "-", "_")
      local ok, value = pcall(function()
        require = require or godra_require(libraries, unpack(run_with, 1, 4))
        local migrate = require(library)
        if type(migrate) ~= "function" then error("it gives a " .. type(migrate) .. " and not a function", 0) end
        return migrate(cjson.decode(document.json), document.schema, name)
      end)
      if ok and value ~= nil then return value end
      if not ok and type(value) == "table" then error(value, 0) end
      local why = ok and "it gives nil" or type(value) == "string" and value or "(error object is a " .. type(value) .. " value)"
      local text = get_document_texts().unmigrated
      return nil, string.format(text, name, digits(document.schema), library, digits(form_of(name)), why)
    end

    local function named(value, what)
      if type(value) == "number" then return tostring(value) end
      if type(value) == "string" then
        -- A script need not say the name of its game.
        return string.find(value, "^[^/]*~") and value or tools.game() .. value
      end
      return nil, "bad argument #1 to '" .. what .. "' (string expected, got " .. (value == nil and "no value" or type(value)) .. ")"
    end

    local function is_owner(text)
      return type(text) == "string" and #text >= 1 and #text <= BOUNDS.owner_bytes and tools.is_utf8(text)
        and not string.find(text, "[%z\1-\31\127]") and not string.find(text, "\194[\128-\159]")
    end

    -- A user's id as an option; nil and what is wrong.
    local function read_owner(option, id)
      if type(id) == "number" then id = tostring(id) end
      if not is_owner(id) then return nil, get_document_texts()["bad_" .. option] end
      return id
    end

    -- What the options say; nil and what is wrong.
    local function read_options(options, place)
      if options == nil then return {} end
      if type(options) ~= "table" then
        return nil, "bad argument #" .. place .. ": a table of options, got " .. type(options)
      end
      for option in pairs(options) do
        if option ~= "version" and option ~= "owner" and option ~= "new_owner" then
          local shown = type(option) == "string" and string.sub(option, 1, 200) or ""
          return nil, 'no option "' .. shown .. '": there are version, owner, new_owner'
        end
      end
      local version, texts = options.version, get_document_texts()
      if version ~= nil and not (type(version) == "number" and version >= 0 and version <= 2 ^ 53 and version % 1 == 0) then
        return nil, texts.version
      end
      local found = { version = version }
      for _, option in ipairs({ "owner", "new_owner" }) do
        if options[option] ~= nil then
          local id, why = read_owner(option, options[option])
          if not id then return nil, why end
          found[option] = id
        end
      end
      return found
    end

    -- Whose a document is when it has been written; nil and why it cannot be.
    local function owner_after(name, is_own, before, options)
      if before.json == "" then
        return options.new_owner or options.owner or is_own and tools.caller() or ""
      end
      local present, said, texts = before.owner, options.owner, get_document_texts()
      if not said and present ~= "" and present ~= tools.caller() then
        return nil, string.format(texts.owned, name, present, present)
      elseif said and present ~= said then
        if present == "" then return nil, string.format(texts.owned_by_nobody, name) end
        return nil, string.format(texts.other_owner, name, present)
      end
      return options.new_owner or present
    end

    local function check_version(name, before, options)
      local seen = before.json ~= "" and before.version or 0
      if not options.version or options.version == seen then return end
      local texts = get_document_texts()
      local text = seen == 0 and string.format(texts.none, name, digits(options.version))
        or string.format(texts.other_version, name, digits(seen), digits(options.version))
      error({ code = "conflict", message = text }, 0)
    end

    local function has_room(bytes)
      if not waiting then
        waiting = call("LLEN", PREFIX .. "out")
        local totals = call("HMGET", PREFIX .. "out_at", "total", "written_total")
        waiting_bytes = tonumber(totals[1] or 0) - tonumber(totals[2] or 0)
      end
      return waiting < BOUNDS.waiting and waiting_bytes + bytes <= BOUNDS.bytes
    end

    local function note(name, before, after)
      local place = number()
      local saving = saved[place]
      if not saving then
        saving = { is_atomic = tools.is_atomic(), is_durable = tools.is_durable() }
        saved[place] = saving
        waiting = waiting + 1
      end
      local save = saving[name]
      if not save then
        save = { name = name, base = before.version }
        saving[name], saving[#saving + 1] = save, save
      end
      if after.entry then
        save.entries = save.entries or {}
        save.entries[#save.entries + 1] = after.entry
        save.entry_bytes = (save.entry_bytes or 0) + #after.entry
      end
      local bytes = #name + #after.json + #after.keys + (save.entry_bytes or 0)
      waiting_bytes = waiting_bytes - (save.bytes or 0) + bytes
      save.after, save.bytes = after, bytes
    end

    -- Writes a document as it is after this.
    local function put(name, before, after)
      if not has_room(#name + #after.json + #after.keys + #(after.entry or "")) then
        error({ code = "unavailable", message = get_document_texts().full }, 0)
      end
      after.version, after.updated = before.version + 1, tools.now
      tools.commands().call("HSET", key(name), "m", write_meta(after, home), "j", after.json, "k", after.keys)
      note(name, before, after)
      return after.version
    end

    -- The version that a document has then, and whether there was one; nil and why not.
    local function write(name, is_own, json, options)
      local before = read(name)
      if before.keys ~= "" or is_ledger(name) then return nil, string.format(get_document_texts().account, name) end
      local unknown = unknown_form(name, before)
      if unknown then return nil, unknown end
      check_version(name, before, options)
      local owner, why = owner_after(name, is_own, before, options)
      if not owner then return nil, why end
      local was_there = before.json ~= ""
      if json == "" and not was_there then return before.version, false end
      return put(name, before, { owner = owner, schema = form_of(name), json = json, keys = "" }), was_there
    end

    function documents.load(name)
      local text, why = named(name, "load")
      if not text then error(why, 2) end
      local is_own
      is_own, why = find(text)
      if is_own == nil then error(why, 2) end
      local document = read(text)
      if document.json == "" then return nil, 0 end
      why = unknown_form(text, document)
      if why then error(why, 2) end
      if document.schema == form_of(text) then return cjson.decode(document.json), document.version end
      local value
      value, why = bring_up(text, document)
      if value == nil then error(why, 2) end
      return value, document.version
    end

    -- What is wrong with a value's JSON.
    local function unfit(json)
      local texts = get_document_texts()
      if json == "null" then return texts.no_value end
      if #json > BOUNDS.value_bytes then return string.format(texts.too_large, #json) end
      if not tools.is_utf8(json) then return texts.not_text end
      if tools.is_too_deep(json) then return texts.too_deep end
    end

    function documents.save(name, value, options)
      local text, why = named(name, "save")
      if not text then error(why, 2) end
      local is_own, found, version
      is_own, why = find(text)
      if is_own == nil then error(why, 2) end
      if value == nil then error(get_document_texts().no_value, 2) end
      local ok, json = pcall(tools.encode, value)
      -- The line is the script's to know.
      if not ok then error((string.gsub(json, "^@?user_script:%d+: ", "")), 2) end
      why = unfit(json)
      if why then error(why, 2) end
      found, why = read_options(options, 3)
      if not found then error(why, 2) end
      version, why = write(text, is_own, json, found)
      if not version then error(why, 2) end
      return version
    end

    function documents.ledger(name, changes, reason, options)
      local text, why = named(name, "ledger")
      if not text then error(why, 2) end
      local is_own, balances, is_repeated
      is_own, why = find(text)
      if is_own == nil then error(why, 2) end
      ledger = ledger or make_ledger({
        encode = tools.encode,
        is_utf8 = tools.is_utf8,
        now = tools.now,
        texts = get_document_texts(),
        read_owner = function(id) return read_owner("owner", id) end,
        is_ledger = is_ledger,
        read = read,
        owner_after = owner_after,
        unfit = unfit,
        put = put,
      })
      balances, is_repeated = ledger(text, is_own, changes, reason, options)
      if not balances then error(is_repeated, 2) end
      return balances, is_repeated
    end

    function documents.delete(name, options)
      local text, why = named(name, "delete")
      if not text then error(why, 2) end
      local is_own, found, version, was_there
      is_own, why = find(text)
      if is_own == nil then error(why, 2) end
      found, why = read_options(options, 2)
      if not found then error(why, 2) end
      version, was_there = write(text, is_own, "", found)
      if not version then error(was_there, 2) end
      return was_there
    end

    local function put_entry(saves)
      local bytes, list, accounts = 0, {}, {}
      local out_at = PREFIX .. "out_at"
      local last = tools.keep("HINCRBY", out_at, "last", 1)
      for place, save in ipairs(saves) do
        local after = save.after
        bytes = bytes + save.bytes
        for _, part in ipairs({ save.name, save.base, after.version, after.owner, after.schema, after.updated, after.json }) do
          list[#list + 1] = part
        end
        if save.entries then
          for _, part in ipairs({ place, after.keys, "[" .. table.concat(save.entries, ",") .. "]" }) do
            accounts[#accounts + 1] = part
          end
        end
        tools.keep("HSET", PREFIX .. "dirty", save.name, digits(last))
      end
      local total = tools.keep("HINCRBY", out_at, "total", bytes)
      tools.keep("RPUSH", PREFIX .. "out", cmsgpack.pack({ last, home, total, list, accounts[1] and accounts or nil }))
      for _, save in ipairs(saves) do call("EXPIRE", key(save.name), BOUNDS.kept_s) end
      return last
    end

    -- What the end of the batch waits for: tag, the last entry's number, and of each call its place (from 0) and its entry's number.
    local waits

    local function wait_for(entry, place)
      waits = waits or { call("HGET", PREFIX .. "out_at", "tag") or "" }
      waits[2] = entry
      waits[#waits + 1], waits[#waits + 2] = place - 1, entry
    end

    function documents.waits() return waits end

    -- Before a room is told something, on all nodes.
    function documents.hold(room, node)
      if not waits then return end
      call("PUBLISH", CHANNELS .. room, string.format("%s w %s %.0f", node, waits[1], waits[2]))
      tools.keep("ZADD", PREFIX .. "waits", digits(waits[2]), room)
    end

    -- Behind the last call: what those that have worked have saved goes into the outbox.
    function documents.settle(results)
      for place = 1, number() do
        local entry = results[place]
        if type(entry) == "table" and entry[1] == "T" then entry = entry[5] end
        local has_failed = type(entry) == "table" and entry[1] == "E"
        if has_failed and documents.is_refused(place) then entry[5] = 2 end
        if saved[place] and not (has_failed and saved[place].is_atomic) then
          local last = put_entry(saved[place])
          if saved[place].is_durable then wait_for(last, place) end
        end
      end
    end

    return documents
  end
end
