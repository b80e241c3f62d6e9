//! The Lua side: sandbox, conversions, libraries, budgets.
