//! Where the store keeps its book of guests. The engines write in it that a guest has come to a room or left one, in the same
//! atomic step as the hook; what else is written and read there, see [`crate::guests`].

/// Guests by their last sign of life: a sorted set.
pub const GUESTS: &str = crate::script::KeyPattern::GUESTS;
/// What the key of a guest's rooms begins with; its id follows.
pub const ROOMS_PREFIX: &str = "godra:guest:";
/// What a guest's id begins with.
pub const ID_PREFIX: &str = "guest:";
/// What the names of the server's own scripts begin with; no file of a script can be named so.
pub const SCRIPT_PREFIX: &str = "godra:";

/// The key of a guest's rooms.
pub fn rooms_key(user_id: &str) -> String {
    format!("{ROOMS_PREFIX}{user_id}")
}

/// Whether somebody is a guest, by the id.
pub fn is_guest(user_id: &str) -> bool {
    user_id.starts_with(ID_PREFIX)
}
