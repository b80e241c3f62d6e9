-- What scripts have in place of some of the store's own, so that they mean the same as on the embedded store. A script that
-- may look at one of these has it as a local; it is made when the first of a batch asks for it.
do
  local made = {}

  -- A library with some of its functions replaced, which nobody can change.
  local function library(own, replaced)
    setmetatable(replaced, { __index = own })
    return setmetatable({}, {
      __index = replaced,
      __newindex = function() error("Attempt to modify a readonly table", 2) end,
      __metatable = false,
    })
  end

  local make = {}
  function make.math()
    local random = get_random()
    return library(math, { random = random.random, randomseed = random.randomseed })
  end

  godra_sandbox = function(name)
    local found = made[name] or make[name]()
    made[name] = found
    return found
  end
end
