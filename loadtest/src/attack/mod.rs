//! Hostile clients, beside those who play: a table of attacks ([`kinds`]), one event loop that carries them out ([`force`]), each over
//! some connections ([`mod@line`]), and what each was answered ([`outcome`]).

pub(crate) mod force;
mod kinds;
mod line;
pub(crate) mod outcome;

pub(crate) use kinds::{KINDS, Kind};

/// What an attacker has of the game: a login, and a lobby of its own to which it belongs.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seat {
    pub host: String,
    pub token: String,
    pub game_id: String,
}
