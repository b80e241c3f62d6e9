-- Offers of one player to another.

local trades = {}

-- An offer between two, as one of them sees it.
function trades.view(user_id, other, offer)
  local is_own = offer.by == user_id
  return {
    user_id = other,
    version = offer.version,
    by = offer.by,
    gives = is_own and offer.gives or offer.takes,
    takes = is_own and offer.takes or offer.gives,
    ends_at = offer.ends_at,
  }
end

return trades
