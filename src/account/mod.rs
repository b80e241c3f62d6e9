//! Who a player is: tokens, guests and the database of accounts.
