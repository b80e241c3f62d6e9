//! Rooms: members, rhythm, and what a flush sends to whom.
