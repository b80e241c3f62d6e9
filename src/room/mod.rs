//! Rooms: members, rhythm, and what a flush sends to whom. No sockets here, no clock.

pub mod flush;
pub mod rhythm;
