-- Members that nodes have left behind whose lease is over: {node, {member, …}, node, {member, …}, …}.
-- KEYS[1]: the set of nodes; ARGV[1]: how many members of a node are listed at most; ARGV[2]: what the keys of a node begin
-- with, before its id.
-- A node that comes back finds out by the mark that others have taken its members out.
local found = {}
for _, node in ipairs(redis.call("SMEMBERS", KEYS[1])) do
  local name = ARGV[2] .. node
  if redis.call("EXISTS", name .. ":lease") == 0 then
    local members = redis.call("SRANDMEMBER", name .. ":members", ARGV[1])
    if #members == 0 then
      redis.call("SREM", KEYS[1], node)
    else
      -- What has deleted something may write, however full the store is.
      redis.call("DEL", name .. ":expelled")
      redis.call("SET", name .. ":expelled", "1", "EX", 86400)
      found[#found + 1] = node
      found[#found + 1] = members
    end
  end
end
return found
