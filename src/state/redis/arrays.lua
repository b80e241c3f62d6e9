-- Lists that are written as [] also when they are empty. cjson cannot tell such a table from an empty object: so while it
-- writes, each of them that is empty holds a text that nobody can guess, and [that text] becomes [] in what it wrote.
local get_arrays
do
  local function make_arrays()
    local plain, mark = cjson.encode, redis.sha1hex("array " .. ARGV[5])
    local pattern = '%["' .. mark .. '"%]'
    -- Of the running call.
    local marked, count, of_call = {}, 0, 0
    local arrays = {}

    function arrays.array(list)
      if list == nil then list = {} end
      if type(list) ~= "table" then
        error("bad argument #1 to 'array' (table expected, got " .. type(list) .. ")", 2)
      end
      if of_call ~= number then marked, count, of_call = {}, 0, number end
      count = count + 1
      marked[count] = list
      return list
    end

    -- An error is one of the function at that depth, as error has it.
    function arrays.encode_at(value, depth)
      local filled = {}
      for at = 1, of_call == number and count or 0 do
        local list = marked[at]
        if next(list) == nil then
          rawset(list, 1, mark)
          filled[#filled + 1] = list
        end
      end
      local ok, text = pcall(plain, value)
      for at = 1, #filled do filled[at][1] = nil end
      if not ok then error(text, depth + 1) end
      if #filled > 0 then text = string.gsub(text, pattern, "[]") end
      return text
    end

    -- In the place of cjson's.
    function arrays.encode(...)
      if select("#", ...) ~= 1 then error("bad argument #1 to 'encode' (expected 1 argument)", 2) end
      local text = arrays.encode_at((...), 2)
      return text
    end

    return arrays
  end

  local arrays
  function get_arrays()
    arrays = arrays or make_arrays()
    return arrays
  end
end
