//! What a node does about messages that are due: when it looks for them, and what it makes of what it sees. No sockets here.
//!
//! The store keeps messages (see `mail.lua`) and takes each inside the call that runs it. So nodes may see the same, and each
//! message runs once; a node that dies between the look and the run leaves it to the others.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use redis::{Cmd, Value};

use crate::script::{Header, Script, ScriptSet};
use crate::state::mail::{MAX_OF_ROUND, UNKNOWN_FOR_MS};
use crate::state::{Batch, Call, Message, ShardId};
use crate::wire::ids::RoomId;

/// How often a node looks for what others have told.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// How many rooms and messages one look lists at most.
const ROOMS_AT_ONCE: usize = 64;
const MESSAGES_AT_ONCE: usize = 500;
/// A room that has no more timers due need not stand in the line (see `mail_look.lua`).
const FEW: usize = 8;
/// How long others have the store to themselves between two looks, at most: what calls will take is a guess.
const LONGEST_PAUSE: Duration = Duration::from_millis(2);
/// A room whose messages were stopped runs them one by one for so long.
const CAREFUL_FOR: Duration = Duration::from_secs(10);

/// Takes a message that no script runs.
pub(super) static DROP: LazyLock<Arc<Script>> = LazyLock::new(|| {
    let (name, text) = ("godra:drop_message", "-- ROLE: server\nreturn nil");
    Arc::new(Script::new(name, name, text, Header::parse(name, text).expect("the header is right")))
});

/// The command that tells what is due, for [`Seen::read`]; in these rooms something was due then.
fn look(own_keys: &str, put_back: &[(Option<RoomId>, u64)]) -> Cmd {
    const LOOK: &str = concat!(include_str!("mail_clock.lua"), include_str!("mail_look.lua"));
    let mut command = redis::cmd("EVAL");
    command.arg(LOOK).arg(1).arg(format!("{own_keys}mail:"));
    command.arg(ROOMS_AT_ONCE).arg(MESSAGES_AT_ONCE).arg(MAX_OF_ROUND).arg(FEW);
    for (room, due_ms) in put_back {
        command.arg(room.as_ref().map_or("", RoomId::as_str)).arg(due_ms);
    }
    command
}

/// An id as the store has it: ids of equal length sort as texts do.
pub(super) fn id_text(id: u64) -> String {
    format!("{id:016}")
}

/// When a node looks next.
#[derive(Debug)]
pub(super) struct Outlook {
    look_at: Instant,
    /// Until then the store works on what the last look has shown, and on what others want meanwhile.
    busy_until: Instant,
    is_looking: bool,
    /// Rooms that run their messages one by one, and until when.
    careful: HashMap<Option<RoomId>, Instant>,
    /// Rooms whose messages have been seen, and left where they are, with when the first is due.
    put_back: Vec<(Option<RoomId>, u64)>,
}

impl Outlook {
    /// Looks at once.
    pub(super) fn new(now: Instant) -> Self {
        Self {
            look_at: now,
            busy_until: now,
            is_looking: false,
            careful: HashMap::new(),
            put_back: Vec::new(),
        }
    }

    /// A connection is new: what was asked on the one before is not answered any more.
    pub(super) fn begin(&mut self, now: Instant) {
        (self.look_at, self.busy_until) = (now, now);
        self.is_looking = false;
        self.put_back.clear();
    }

    /// What was seen of this room does not run now: the store must show it again.
    pub(super) fn put_back(&mut self, room: Option<RoomId>, due: &[Due]) {
        self.put_back.push((room, due.first().map_or(0, |first| first.due_ms)));
    }

    /// The command of a look that is made now.
    pub(super) fn look(&mut self, own_keys: &str) -> Cmd {
        look(own_keys, &std::mem::take(&mut self.put_back))
    }

    /// How long it is until the next look.
    pub(super) fn wait(&self, now: Instant) -> Duration {
        if self.is_looking { LOOK_INTERVAL } else { self.next().saturating_duration_since(now) }
    }

    fn next(&self) -> Instant {
        self.look_at.max(self.busy_until)
    }

    /// Whether to look now; if so, that is done.
    pub(super) fn looks(&mut self, now: Instant) -> bool {
        let is_time = !self.is_looking && now >= self.next();
        self.is_looking |= is_time;
        is_time
    }

    /// Something is due in a while.
    pub(super) fn is_due_in(&mut self, wait: Duration, now: Instant) {
        self.look_at = self.look_at.min(now + wait);
    }

    /// A look has been answered, and what it has shown keeps the store for so long.
    pub(super) fn looked(&mut self, wait: Option<Duration>, work: Duration, now: Instant) {
        self.is_looking = false;
        // What was put back meanwhile is not in what was seen.
        let wait = if self.put_back.is_empty() { wait } else { Some(Duration::ZERO) };
        self.look_at = now + wait.unwrap_or(LOOK_INTERVAL).min(LOOK_INTERVAL);
        self.busy_until = now + work.min(LONGEST_PAUSE);
        self.careful.retain(|_, until| *until > now);
    }

    /// Messages of a room were stopped, and nobody knows which of them it was.
    pub(super) fn take_care(&mut self, room: Option<RoomId>, now: Instant) {
        self.careful.insert(room, now + CAREFUL_FOR);
    }

    /// Whether its messages run one by one.
    pub(super) fn is_careful(&self, room: Option<&RoomId>) -> bool {
        !self.careful.is_empty() && self.careful.contains_key(&room.cloned())
    }
}

/// What a look has shown.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    /// The store's time.
    now_ms: u64,
    /// How long it is until more is due; none if nothing is pending.
    pub wait: Option<Duration>,
    /// How much is pending in the store.
    pub pending: u64,
    /// What is due, by rooms.
    pub rooms: Vec<(Option<RoomId>, Vec<Due>)>,
}

/// A message that is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Due {
    pub id: u64,
    due_ms: u64,
    pub script: Box<str>,
}

impl Due {
    /// `id due script`.
    fn parse(entry: &Value) -> Option<Self> {
        let Value::BulkString(entry) = entry else { return None };
        let (id, rest) = std::str::from_utf8(entry).ok()?.split_once(' ')?;
        let (due_ms, script) = rest.split_once(' ')?;
        Some(Self { id: id.parse().ok()?, due_ms: due_ms.parse().ok()?, script: script.into() })
    }
}

impl Seen {
    /// Where among the rooms the next look goes on its way, if there is more than one shows: then the store need not wait for the
    /// node between two looks. What a room of the line has due would be shown again.
    pub(super) fn half(&self) -> Option<usize> {
        let is_full = self.rooms.len() >= ROOMS_AT_ONCE && self.rooms.iter().all(|(_, due)| due.len() <= FEW);
        is_full.then_some(self.rooms.len() / 2)
    }

    /// Reads the answer to [`look`]; none if it makes no sense.
    pub(super) fn read(answer: Value) -> Option<Self> {
        let Value::Array(parts) = answer else { return None };
        let mut parts = parts.into_iter();
        let mut number = || match parts.next() {
            Some(Value::Int(number)) => Some(number),
            _ => None,
        };
        let (now_ms, wait_ms, pending) = (number()?, number()?, number()?);
        let mut rooms = Vec::new();
        while let (Some(Value::BulkString(room)), Some(Value::Array(entries))) = (parts.next(), parts.next())
        {
            let room = match &room[..] {
                b"" => None,
                room => Some(RoomId::parse(std::str::from_utf8(room).ok()?)?),
            };
            rooms.push((room, entries.iter().map(Due::parse).collect::<Option<_>>()?));
        }
        Some(Self {
            now_ms: now_ms.try_into().ok()?,
            wait: u64::try_from(wait_ms).ok().map(Duration::from_millis),
            pending: pending.try_into().ok()?,
            rooms,
        })
    }

    /// The calls of a room's messages, in their order. A message whose script is not there holds up those behind it for a
    /// while, and then is dropped.
    pub(super) fn calls(
        &self,
        room: Option<&RoomId>,
        due: &[Due],
        scripts: &ScriptSet,
        outlook: &Outlook,
    ) -> Vec<Call> {
        let most = if outlook.is_careful(room) { 1 } else { due.len() };
        let mut calls = Vec::with_capacity(most);
        for due in &due[..most] {
            match scripts.get_for_messages(&due.script) {
                Some(script) => calls.push(due.call(script)),
                None if self.now_ms < due.due_ms.saturating_add(UNKNOWN_FOR_MS) => break,
                None => {
                    due.note_dropped(room, "there is no such script for messages any more");
                    calls.push(due.call(&DROP));
                }
            }
        }
        calls
    }
}

impl Due {
    /// As the store has it.
    pub(super) fn entry(&self) -> String {
        format!("{} {} {}", id_text(self.id), self.due_ms, self.script)
    }

    fn call(&self, script: &Arc<Script>) -> Call {
        Call::message(script.clone(), Message { id: self.id, payload: Box::default() })
    }

    fn note_dropped(&self, room: Option<&RoomId>, why: &str) {
        let room = room.map_or("-", RoomId::as_str);
        log::error!("a message is dropped script={} room={room} id={} reason={why:?}", self.script, self.id);
    }
}

/// A batch of messages that was stopped because one of them ran for too long, or that went with others of which one failed as a
/// whole.
#[derive(Debug)]
pub(super) struct Stopped {
    pub room: Option<RoomId>,
    messages: Vec<Due>,
    /// Whether others went with it, of which each may have been to blame.
    pub is_shared: bool,
}

impl Stopped {
    /// None if the batch had no messages.
    pub(super) fn of(batch: &Batch, is_shared: bool) -> Option<Self> {
        let due = |call: &Call| {
            let id = call.message_id()?;
            Some(Due { id, due_ms: 0, script: call.script.full_name.clone() })
        };
        let messages: Vec<Due> = batch.calls.iter().filter_map(due).collect();
        (!messages.is_empty()).then(|| Self { room: batch.room.clone(), messages, is_shared })
    }

    /// What takes the message, if it was one alone: it would be stopped again and again.
    pub(super) fn drop(&self, origin: ShardId) -> Option<Batch> {
        let [message] = &self.messages[..] else { return None };
        if self.is_shared {
            return None;
        }
        message.note_dropped(self.room.as_ref(), "it ran for too long and was stopped");
        Some(Batch::new(self.room.clone(), vec![message.call(&DROP)], origin))
    }
}

/// Whether any of these scripts is run by messages.
pub(super) fn are_for_messages(scripts: &ScriptSet) -> bool {
    scripts.all().any(|script| script.header.is_for_server)
}

/// How much is pending in each store, for one figure of all of them.
#[derive(Debug, Default)]
pub(super) struct Pending(HashMap<Box<str>, u64>);

impl Pending {
    /// One store has so much; gives what all have.
    pub(super) fn note(&mut self, address: &str, pending: u64) -> u64 {
        match self.0.get_mut(address) {
            Some(known) => *known = pending,
            None => drop(self.0.insert(address.into(), pending)),
        }
        self.0.values().sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Value {
        Value::BulkString(text.as_bytes().to_vec())
    }

    fn seen() -> Seen {
        let entries =
            ["0000000000000007 1000 known", "0000000000000008 2000 gone", "0000000000000009 2000 known"];
        let answer = vec![
            Value::Int(5000),
            Value::Int(40),
            Value::Int(12),
            text(""),
            Value::Array(entries.map(text).to_vec()),
            text("plaza"),
            Value::Array(entries[2..].iter().map(|entry| text(entry)).collect()),
        ];
        Seen::read(Value::Array(answer)).expect("an answer")
    }

    fn scripts() -> ScriptSet {
        let script = |name: &str, text: &str| {
            let header = Header::parse(name, text).expect("a header");
            (name.into(), Arc::new(Script::new(name, format!("{name}.lua"), text, header)))
        };
        ScriptSet::new([script("known", "-- ROLE: server"), script("other", "")].into(), 1)
    }

    fn shown(calls: &[Call]) -> Vec<(&str, u64)> {
        calls.iter().map(|call| (&*call.script.name, call.message_id().expect("a message"))).collect()
    }

    #[test]
    fn what_is_due_is_read() {
        let seen = seen();
        assert_eq!((seen.now_ms, seen.wait, seen.pending), (5000, Some(Duration::from_millis(40)), 12));
        let rooms = seen.rooms.iter().map(|(room, due)| (room.as_ref().map(RoomId::as_str), due.len()));
        assert_eq!(rooms.collect::<Vec<_>>(), [(None, 3), (Some("plaza"), 1)]);
        let nothing = Value::Array(vec![Value::Int(1), Value::Int(-1), Value::Int(0)]);
        assert_eq!(Seen::read(nothing).expect("an answer").wait, None);
        for bad in [Value::Nil, Value::Array(vec![Value::Int(1)])] {
            assert_eq!(Seen::read(bad), None);
        }
    }

    #[test]
    fn a_message_waits_for_its_script_and_holds_up_what_is_behind_it() {
        let (mut seen, scripts, outlook) = (seen(), scripts(), Outlook::new(Instant::now()));
        let (room, due) = seen.rooms.remove(0);
        assert_eq!(shown(&seen.calls(room.as_ref(), &due, &scripts, &outlook)), [("known", 7)]);
        seen.now_ms = 2000 + UNKNOWN_FOR_MS;
        let calls = seen.calls(room.as_ref(), &due, &scripts, &outlook);
        assert_eq!(shown(&calls), [("known", 7), ("godra:drop_message", 8), ("known", 9)]);
    }

    #[test]
    fn after_messages_were_stopped_they_run_alone_and_then_are_dropped() {
        let (mut seen, scripts, now) = (seen(), scripts(), Instant::now());
        let mut outlook = Outlook::new(now);
        let (room, due) = seen.rooms.remove(1);
        let mut calls = seen.calls(room.as_ref(), &[due.clone(), due].concat(), &scripts, &outlook);
        let batch = Batch::new(room.clone(), calls.clone(), 0);
        let stopped = Stopped::of(&batch, false).expect("there are messages");
        assert!(stopped.drop(0).is_none());
        outlook.take_care(stopped.room, now);
        let (_, due) = seen.rooms.remove(0);
        calls = seen.calls(room.as_ref(), &due, &scripts, &outlook);
        assert_eq!(shown(&calls), [("known", 7)]);
        let alone = Batch::new(room.clone(), calls, 0);
        assert!(
            Stopped::of(&alone, true).expect("there is a message").drop(3).is_none(),
            "it may be another's fault"
        );
        let stopped = Stopped::of(&alone, false).expect("there is a message");
        let dropped = stopped.drop(3).expect("it is alone");
        assert_eq!((shown(&dropped.calls), dropped.origin), (vec![("godra:drop_message", 7)], 3));
        outlook.looked(None, Duration::ZERO, now + CAREFUL_FOR);
        assert!(!outlook.is_careful(room.as_ref()));
    }

    #[test]
    fn looks_come_when_something_is_due_and_once_a_second() {
        let (began, ms) = (Instant::now(), Duration::from_millis);
        let mut outlook = Outlook::new(began);
        assert!(outlook.looks(began) && !outlook.looks(began + ms(5)), "one at a time");
        outlook.looked(None, Duration::ZERO, began);
        assert_eq!(outlook.wait(began), LOOK_INTERVAL);
        outlook.is_due_in(ms(300), began);
        outlook.is_due_in(ms(700), began);
        assert!(!outlook.looks(began + ms(299)) && outlook.looks(began + ms(300)));
        outlook.looked(Some(ms(500)), ms(1), began + ms(300));
        outlook.is_due_in(ms(0), began + ms(301));
        assert_eq!(outlook.wait(began + ms(300)), ms(1), "others come between");
        outlook.put_back(RoomId::parse("plaza"), &[Due { id: 7, due_ms: 1000, script: "known".into() }]);
        let command = |outlook: &mut Outlook| outlook.look("godra:").get_packed_command();
        assert!(
            command(&mut outlook).ends_with(b"plaza\r\n$4\r\n1000\r\n"),
            "what did not run is shown again"
        );
        assert!(command(&mut outlook).ends_with(b"$4\r\n1000\r\n$1\r\n8\r\n"), "once");
        outlook.begin(began + ms(301));
        assert!(outlook.looks(began + ms(301)));
    }

    #[test]
    fn stores_add_up() {
        let mut pending = Pending::default();
        assert_eq!([pending.note("a", 5), pending.note("b", 2), pending.note("a", 1)], [5, 7, 3]);
    }
}
