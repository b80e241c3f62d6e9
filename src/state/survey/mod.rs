//! Which rooms take how much of a store, and whose they are: for managers, who look for what fills it.
//!
//! It is counted key by key, a few at a time, while players play. So it is no moment's picture: what is moved meanwhile may count
//! twice or not at all.

mod desk;

use std::collections::HashMap;
use std::time::Instant;

use smol_str::SmolStr;

pub(super) use self::desk::SurveyDesk;

/// What the keys of rooms begin with; the room's id follows, and then nothing or a colon and more.
const ROOM_PREFIX: &[u8] = b"game:";
/// The same of messages to a room.
const MESSAGE_PREFIX: &[u8] = b"godra:mail:";
/// Rooms that are told, and owners.
const MAX_TOLD: usize = 100;
/// Rooms that are counted at once. When there are more, the smaller half is given up: a room of which a part is given up so is
/// small, or its keys lie far apart.
const MAX_COUNTED: usize = 100_000;

/// What a store has told.
#[derive(Debug)]
pub struct Survey {
    /// The largest rooms, from the largest down.
    pub(super) rooms: Vec<(SmolStr, RoomShare)>,
    /// Those who own most, from the most down: with how many rooms, and what these take, in bytes.
    pub owners: Vec<(SmolStr, u64, u64)>,
    /// What belongs to no room, in bytes.
    pub other_bytes: u64,
    /// When it was taken.
    pub taken_at: Instant,
}

/// What a room has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct RoomShare {
    /// Of the hash `game:<id>`, the field `owner`.
    pub owner: Option<SmolStr>,
    /// What all its keys take, with their values.
    pub bytes: u64,
    /// How many it has.
    pub keys: u64,
    /// How many members the set `game:<id>:players` has.
    pub members: u64,
}

/// Why there is no survey.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoSurvey {
    /// It is being taken.
    NotYet,
    /// A store cannot tell, for this reason.
    Refused(Box<str>),
}

/// A survey that is being taken.
#[derive(Debug, Default)]
pub(super) struct Counting {
    rooms: HashMap<SmolStr, RoomShare>,
    other_bytes: u64,
}

/// What a key is to its room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// The hash that says whose the room is.
    Head,
    /// The set of its members.
    Members,
    Other,
}

impl Counting {
    /// The room of a key, and what the key is there.
    pub(super) fn place(key: &[u8]) -> Option<(&str, Part)> {
        if let Some(name) = key.strip_prefix(MESSAGE_PREFIX) {
            let (room, _) = std::str::from_utf8(name).ok()?.split_once(':')?;
            return (!room.is_empty()).then_some((room, Part::Other));
        }
        let name = std::str::from_utf8(key.strip_prefix(ROOM_PREFIX)?).ok()?;
        Some(match name.split_once(':') {
            None => (name, Part::Head),
            Some((room, "players")) => (room, Part::Members),
            Some((room, _)) => (room, Part::Other),
        })
    }

    /// Counts a key of a room.
    pub(super) fn room(&mut self, room: &str) -> &mut RoomShare {
        if self.rooms.len() >= MAX_COUNTED && !self.rooms.contains_key(room) {
            self.give_up_small_rooms();
        }
        self.rooms.entry(SmolStr::new(room)).or_default()
    }

    /// Counts a key of no room.
    pub(super) fn other(&mut self, bytes: u64) {
        self.other_bytes += bytes;
    }

    /// Both together: of two stores.
    fn merged(mut self, other: Self) -> Self {
        self.other_bytes += other.other_bytes;
        for (room, share) in other.rooms {
            let sum = self.rooms.entry(room).or_default();
            sum.owner = share.owner.or(sum.owner.take());
            sum.bytes += share.bytes;
            sum.keys += share.keys;
            sum.members += share.members;
        }
        self
    }

    fn give_up_small_rooms(&mut self) {
        let mut sizes: Vec<u64> = self.rooms.values().map(|share| share.bytes).collect();
        let (_, middle, _) = sizes.select_nth_unstable(MAX_COUNTED / 2);
        let middle = *middle;
        self.rooms.retain(|_, share| share.bytes > middle);
    }

    /// Ends it.
    pub(super) fn finish(self, taken_at: Instant) -> Survey {
        let mut by_owner: HashMap<SmolStr, (u64, u64)> = HashMap::new();
        for share in self.rooms.values() {
            if let Some(owner) = &share.owner {
                let sum = by_owner.entry(owner.clone()).or_default();
                *sum = (sum.0 + 1, sum.1 + share.bytes);
            }
        }
        let mut rooms: Vec<_> = self.rooms.into_iter().collect();
        rooms.sort_unstable_by(|one, other| (other.1.bytes, &one.0).cmp(&(one.1.bytes, &other.0)));
        rooms.truncate(MAX_TOLD);
        let mut owners: Vec<_> =
            by_owner.into_iter().map(|(owner, (rooms, bytes))| (owner, rooms, bytes)).collect();
        owners.sort_unstable_by(|one, other| (other.2, &one.0).cmp(&(one.2, &other.0)));
        owners.truncate(MAX_TOLD);
        Survey { rooms, owners, other_bytes: self.other_bytes, taken_at }
    }
}

impl Survey {
    /// As JSON, with so many rooms and owners at most.
    pub fn to_json(&self, most: usize, now: Instant) -> String {
        let room = |(room, share): &(SmolStr, RoomShare)| {
            serde_json::json!({
                "room": room.as_str(),
                "owner": share.owner.as_deref(),
                "bytes": share.bytes,
                "keys": share.keys,
                "members": share.members,
            })
        };
        let owner = |(owner, rooms, bytes): &(SmolStr, u64, u64)| serde_json::json!({"owner": owner.as_str(), "rooms": rooms, "bytes": bytes});
        serde_json::json!({
            "rooms": self.rooms.iter().take(most).map(room).collect::<Vec<_>>(),
            "owners": self.owners.iter().take(most).map(owner).collect::<Vec<_>>(),
            "other_bytes": self.other_bytes,
            "age_ms": now.saturating_duration_since(self.taken_at).as_millis() as u64,
        })
        .to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add(counting: &mut Counting, room: &str, bytes: u64) {
        let share = counting.room(room);
        share.bytes += bytes;
        share.keys += 1;
    }

    #[test]
    fn keys_belong_to_rooms_by_their_names() {
        let check = |key: &str, expected| assert_eq!(Counting::place(key.as_bytes()), expected, "{key}");
        check("game:a", Some(("a", Part::Head)));
        check("game:a:players", Some(("a", Part::Members)));
        check("game:a:state:x", Some(("a", Part::Other)));
        check("godra:guest:a", None);
        check("godra:mail:a:12", Some(("a", Part::Other)));
        check("godra:mail::12", None);
        check("gam", None);
        assert_eq!(Counting::place(b"game:\xff"), None);
    }

    #[test]
    fn the_largest_are_told_first_and_owners_sums() {
        let mut counting = Counting::default();
        for (room, owner, bytes) in [("a", "ann", 10), ("b", "bob", 25), ("c", "ann", 20), ("d", "", 1)] {
            add(&mut counting, room, bytes);
            counting.room(room).owner = (!owner.is_empty()).then(|| owner.into());
        }
        counting.other(7);
        let now = Instant::now();
        let text = counting.finish(now).to_json(2, now);
        assert_eq!(
            text,
            r#"{"age_ms":0,"other_bytes":7,"owners":[{"bytes":30,"owner":"ann","rooms":2},{"bytes":25,"owner":"bob","rooms":1}],"rooms":[{"bytes":25,"keys":1,"members":0,"owner":"bob","room":"b"},{"bytes":20,"keys":1,"members":0,"owner":"ann","room":"c"}]}"#
        );
    }

    #[test]
    fn a_million_rooms_are_not_all_kept_and_the_largest_are() {
        let mut counting = Counting::default();
        for number in 0..1_000_000_u64 {
            add(&mut counting, &number.to_string(), if number % 10_000 == 7 { 1_000 + number } else { 10 });
        }
        assert!(counting.rooms.len() <= MAX_COUNTED);
        let survey = counting.finish(Instant::now());
        assert_eq!((survey.rooms.len(), survey.rooms[0].0.as_str()), (100, "990007"));
        assert!(survey.rooms.iter().all(|(_, share)| share.bytes > 1_000));
    }
}
