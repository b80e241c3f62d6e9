//! The book of guests, which is kept in the store beside the game's own keys: when each last showed a sign of life, and in
//! which rooms it may have left something. No sockets and no clock here.
//!
//! A guest is written down once there is something to clean up after it: when it has called in a room by RPC, when its socket
//! has left a room, or when the database knows it. As long as it has a socket or calls, its sign of life is renewed. One that
//! shows none for `--guest-ttl` is claimed by one node, taken out of each room in which it may have a seat (`on_disconnect`,
//! in the same batch that strikes the room off, so that it runs once), and forgotten.
//!
//! In the store: the sorted set [`GUESTS`] (ids by the last sign of life, in milliseconds since the Unix epoch), and for each
//! guest the hash `godra:guest:<id>`: its name at the empty field, and at each room's id how it was last there: `called`,
//! `joined` (where several processes share a store) or `left`. The engines write the latter two themselves, together with
//! the hook: see [`Membership`].

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use smol_str::SmolStr;

use crate::script::Script;
use crate::state::{Batch, Call, Membership, OnError, ShardId};
use crate::wire::ids::{Identity, Role, RoomId};

pub(crate) use crate::state::guest_book::{GUESTS, is_guest, rooms_key};

/// Most guests whose sign of life is one call.
pub(crate) const ALIVE_AT_ONCE: usize = 500;
/// A claim lasts half of a guest's lifetime within these bounds; what is not done by then is claimed anew.
const SHORTEST_LEASE: Duration = Duration::from_secs(1);
const LONGEST_LEASE: Duration = Duration::from_secs(60);
/// Guests of one claim, and rooms of each.
pub(crate) const CLAIMED_AT_ONCE: usize = 20;
const ROOMS_AT_ONCE: usize = 200;

/// A guest that has shown no sign of life for too long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Expired {
    pub identity: Arc<Identity>,
    /// The score that the claim gave it.
    pub score: Box<str>,
    /// Rooms in which it may have a seat.
    pub rooms: Vec<RoomId>,
    /// Whether these are all.
    pub is_whole: bool,
}

/// What a claim gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Claim {
    /// Guests that are written down.
    pub known: u64,
    /// Those that are gone, and the claimant's to clean up.
    pub expired: Vec<Expired>,
}

/// Which guests' sign of life counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Written {
    /// Those that are written down already.
    Before,
    /// All: they are written down now.
    Now,
}

/// The scripts, made once.
struct Scripts {
    alive: Arc<Script>,
    note: Arc<Script>,
    claim: Arc<Script>,
    take: Arc<Script>,
    forget: Arc<Script>,
    rooms: Arc<Script>,
    strike: Arc<Script>,
}

static SCRIPTS: LazyLock<Scripts> = LazyLock::new(|| Scripts {
    alive: Script::built_in("godra:alive", include_str!("alive.lua")),
    note: Script::built_in("godra:note", include_str!("note.lua")),
    claim: Script::built_in("godra:claim", include_str!("claim.lua")),
    take: Script::built_in("godra:take", include_str!("take.lua")),
    forget: Script::built_in("godra:forget", include_str!("forget.lua")),
    rooms: Script::built_in("godra:rooms", include_str!("rooms.lua")),
    strike: Script::built_in("godra:strike", include_str!("strike.lua")),
});

/// The caller of what concerns no single guest.
static NOBODY: LazyLock<Arc<Identity>> = LazyLock::new(|| identity("", ""));

/// A guest as far as the book knows it.
fn identity(user_id: &str, username: &str) -> Arc<Identity> {
    Arc::new(Identity {
        user_id: user_id.into(),
        username: username.into(),
        role: Role::Guest,
        expires_at_s: 0,
        login: Default::default(),
    })
}

/// The call by which a guest that calls in a room is written down, in the same batch.
pub(crate) fn note(guest: &Arc<Identity>, room: &RoomId) -> Call {
    call(&SCRIPTS.note, guest, Keys::OfGuest, &[room.as_str(), &guest.username])
}

/// Signs of life of up to [`ALIVE_AT_ONCE`] guests.
pub(crate) fn alive<'a>(ids: impl Iterator<Item = &'a SmolStr>, written: Written, origin: ShardId) -> Batch {
    let option = match written {
        Written::Before => "XX",
        Written::Now => "CH",
    };
    let arguments: Vec<&str> = std::iter::once(option).chain(ids.map(SmolStr::as_str)).collect();
    debug_assert!(arguments.len() <= 1 + ALIVE_AT_ONCE);
    batch(None, vec![call(&SCRIPTS.alive, &NOBODY, Keys::Guests, &arguments)], origin)
}

fn lease(ttl: Duration) -> Duration {
    (ttl / 2).clamp(SHORTEST_LEASE, LONGEST_LEASE)
}

/// Claims guests that have shown no sign of life for `ttl`; [`read_claim`] reads the answer.
pub(crate) fn claim(ttl: Duration, origin: ShardId) -> Batch {
    let numbers = [ttl.as_millis(), lease(ttl).as_millis(), CLAIMED_AT_ONCE as u128, ROOMS_AT_ONCE as u128]
        .map(|n| n.to_string());
    let arguments = numbers.each_ref().map(String::as_str);
    batch(None, vec![call(&SCRIPTS.claim, &NOBODY, Keys::Guests, &arguments)], origin)
}

/// Takes a guest out of a room: strikes the room off, and runs the hook if there is one.
pub(crate) fn take(
    expired: &Expired,
    room: &RoomId,
    on_disconnect: Option<&Arc<Script>>,
    origin: ShardId,
) -> Batch {
    let mut calls =
        vec![call(&SCRIPTS.take, &expired.identity, Keys::OfGuest, &[room.as_str(), &expired.score])];
    calls.extend(on_disconnect.map(|script| {
        Call::hook(script.clone(), expired.identity.clone(), room, Membership::Unchanged).of_absent()
    }));
    batch(Some(room), calls, origin)
}

/// Writes down again that a guest may have a seat in a room, as the hook could not run.
pub(crate) fn note_again(expired: &Expired, room: &RoomId, origin: ShardId) -> Batch {
    batch(Some(room), vec![note(&expired.identity, room)], origin)
}

/// Forgets a guest; [`was_forgotten`] reads the answer.
pub(crate) fn forget(expired: &Expired, origin: ShardId) -> Batch {
    let forget = call(&SCRIPTS.forget, &expired.identity, Keys::OfGuest, &[&*expired.score]);
    batch(None, vec![forget], origin)
}

/// Asks for the rooms of a guest that has become a player; [`read_rooms`] reads the answer.
pub(crate) fn rooms(guest: &Arc<Identity>, origin: ShardId) -> Batch {
    let rooms = call(&SCRIPTS.rooms, guest, Keys::OfGuest, &[]);
    batch(None, vec![rooms], origin)
}

/// Strikes off a guest that has become a player.
pub(crate) fn strike(guest: &Arc<Identity>, origin: ShardId) -> Batch {
    batch(None, vec![call(&SCRIPTS.strike, guest, Keys::OfGuest, &[])], origin)
}

/// Reads what [`claim`] gave. None if it makes no sense, which only a store that somebody else writes to brings about.
pub(crate) fn read_claim(answer: &[u8]) -> Option<Claim> {
    let texts: Vec<String> = serde_json::from_slice(answer).ok()?;
    let mut texts = texts.into_iter();
    let known = texts.next()?.parse().ok()?;
    let mut expired = Vec::new();
    while let Some(user_id) = texts.next() {
        let username = texts.next()?;
        let score = texts.next()?.into();
        let is_whole = texts.next()? == "1";
        let count: usize = texts.next()?.parse().ok()?;
        let rooms: Vec<String> = texts.by_ref().take(count).collect();
        let rooms = rooms.iter().filter_map(|room| RoomId::parse(room)).collect();
        expired.push(Expired { identity: identity(&user_id, &username), score, rooms, is_whole });
    }
    Some(Claim { known, expired })
}

/// Reads what [`forget`] gave.
pub(crate) fn was_forgotten(answer: &[u8]) -> bool {
    answer == b"1"
}

/// Reads what [`rooms`] gave.
pub(crate) fn read_rooms(answer: &[u8]) -> Vec<RoomId> {
    let texts: Vec<String> = serde_json::from_slice(answer).unwrap_or_default();
    texts.iter().filter_map(|text| RoomId::parse(text)).collect()
}

/// Which keys a call has.
enum Keys {
    /// [`GUESTS`] alone.
    Guests,
    /// And the caller's rooms.
    OfGuest,
}

fn call(script: &Arc<Script>, caller: &Arc<Identity>, keys: Keys, arguments: &[&str]) -> Call {
    let mut list = vec![GUESTS.into()];
    if matches!(keys, Keys::OfGuest) {
        list.push(rooms_key(&caller.user_id).into());
    }
    let arguments = arguments.iter().map(|argument| argument.as_bytes().into()).collect();
    Call::rpc(script.clone(), caller.clone(), list, arguments)
}

fn batch(room: Option<&RoomId>, calls: Vec<Call>, origin: ShardId) -> Batch {
    Batch { on_error: OnError::Stop, ..Batch::new(room.cloned(), calls, origin) }
}

#[cfg(test)]
mod tests;
