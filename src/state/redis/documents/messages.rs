//! Messages whose scripts work on documents: what must be read before they run, and which rooms wait. No sockets here.
//!
//! A batch of messages whose documents are not all in the store does not run: it is forgotten, as its messages are still due. The
//! gate fetches the documents, and the room is held meanwhile: no look shows it, until they are there or some time has passed.

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::{Duration, Instant};

use redis::{Cmd, Value};

use super::super::mail::id_text;
use crate::document::Address;
use crate::script::Script;
use crate::state::documents::{CallDocuments, resolve};
use crate::state::{Arguments, Batch, Call};
use crate::wire::ids::RoomId;

/// For how long a room is held at first, and at most: each time is twice the one before, while the same documents do not come.
const FIRST_HOLD: Duration = Duration::from_millis(20);
const LONGEST_HOLD: Duration = Duration::from_secs(2);

/// Whether a batch is one of messages.
pub(in super::super) fn are_messages(batch: &Batch) -> bool {
    batch.calls.first().is_some_and(|call| call.message_id().is_some())
}

/// Settles the documents of calls that nobody outside has sent, so that the gate has not seen them.
pub(in super::super) fn settle(batch: &mut Batch) {
    let Batch { calls, room, .. } = batch;
    calls.iter_mut().for_each(|call| settle_call(call, room.as_ref()));
}

fn settle_call(call: &mut Call, room: Option<&RoomId>) {
    if call.script.has_documents() {
        call.documents = Some(resolve(call, room).into());
    }
}

/// Whether messages of a batch say by their payloads which documents they work on.
pub(in super::super) fn need_payloads(batch: &Batch) -> bool {
    batch.calls.iter().any(|call| needs_payload(&call.script))
}

fn needs_payload(script: &Script) -> bool {
    script.header.documents.iter().any(|pattern| pattern.argument().is_some())
}

/// What a node knows of messages that cannot run yet.
#[derive(Debug, Default)]
pub(in super::super) struct WaitingMessages {
    /// Whose payloads the store has been asked for, in the order of the questions.
    unread: VecDeque<Vec<Batch>>,
    held: HashMap<Option<RoomId>, Hold>,
}

/// Why a room waits, and for how long.
#[derive(Debug)]
struct Hold {
    until: Instant,
    wait: Duration,
    /// What the first message of the room works on, and is not in the store.
    missing: Vec<Address>,
}

impl WaitingMessages {
    /// A connection is new: what was asked on the one before is not answered any more.
    pub(in super::super) fn begin(&mut self) {
        *self = Self::default();
    }

    /// The command that gives the payloads of these, for [`WaitingMessages::read`].
    pub(in super::super) fn ask(&mut self, own_keys: &str, batches: Vec<Batch>) -> Cmd {
        let mut command = redis::cmd("EVAL");
        command.arg(include_str!("../mail_payloads.lua")).arg(1).arg(format!("{own_keys}mail:bodies"));
        let calls = batches.iter().flat_map(|batch| &batch.calls);
        let ids = calls.filter(|call| needs_payload(&call.script)).filter_map(Call::message_id);
        ids.for_each(|id| _ = command.arg(id_text(id)));
        self.unread.push_back(batches);
        command
    }

    /// The answer: gives the batches that may run, and the rooms of which nothing was read.
    pub(in super::super) fn read(&mut self, answer: Value) -> (Vec<Batch>, Vec<Option<RoomId>>) {
        let batches = self.unread.pop_front().unwrap_or_default();
        let payloads = if let Value::Array(payloads) = answer { payloads } else { Vec::new() };
        let mut payloads = payloads.into_iter();
        let (mut ready, mut unread) = (Vec::with_capacity(batches.len()), Vec::new());
        for mut batch in batches {
            let was_read = take_payloads(&mut batch, &mut payloads);
            match batch.calls.is_empty() {
                false => ready.push(batch),
                true if was_read => {}
                true => unread.push(batch.room),
            }
        }
        (ready, unread)
    }

    /// Messages of a room cannot run, as these are not in the store: gives for how long it waits.
    pub(in super::super) fn hold(
        &mut self,
        room: Option<RoomId>,
        missing: Vec<Address>,
        now: Instant,
    ) -> Duration {
        let before = self.held.get(&room).filter(|hold| hold.is_remembered(now) && hold.missing == missing);
        let wait = before.map_or(FIRST_HOLD, |hold| (hold.wait * 2).min(LONGEST_HOLD));
        self.held.insert(room, Hold { until: now + wait, wait, missing });
        wait
    }

    /// For how long a room still waits, if it does.
    pub(in super::super) fn wait_of(&self, room: Option<&RoomId>, now: Instant) -> Option<Duration> {
        if self.held.is_empty() {
            return None;
        }
        let hold = self.held.get(&room.cloned())?;
        (now < hold.until).then(|| hold.until - now)
    }

    /// How long it is until a room need not wait any more.
    pub(in super::super) fn wait(&self, now: Instant) -> Option<Duration> {
        let until = self.held.values().map(|hold| hold.until).filter(|until| *until > now).min();
        until.map(|until| until - now)
    }

    /// Whether payloads of a room's messages are being read. Until these have run it need not be looked at again.
    pub(in super::super) fn is_reading(&self, room: Option<&RoomId>) -> bool {
        self.unread.iter().flatten().any(|batch| batch.room.as_ref() == room)
    }

    /// These are in the store: gives the rooms that need not wait any more.
    pub(in super::super) fn installed(&mut self, addresses: &[Address]) -> Vec<Option<RoomId>> {
        if self.held.is_empty() {
            return Vec::new();
        }
        let there: HashSet<&Address> = addresses.iter().collect();
        let mut released = Vec::new();
        self.held.retain(|room, hold| {
            hold.missing.retain(|address| !there.contains(address));
            if hold.missing.is_empty() {
                released.push(room.clone());
            }
            !hold.missing.is_empty()
        });
        released
    }

    /// Forgets rooms that do not wait any more.
    pub(in super::super) fn forget(&mut self, now: Instant) {
        self.held.retain(|_, hold| hold.is_remembered(now));
    }
}

impl Hold {
    /// Whether it tells for how long the next hold is.
    fn is_remembered(&self, now: Instant) -> bool {
        now < self.until + LONGEST_HOLD
    }
}

/// Settles what a batch's messages work on by their payloads, and keeps those that may run: those that are gone, others have run,
/// and behind one that was not read none may. Gives whether all were read.
fn take_payloads(batch: &mut Batch, payloads: &mut impl Iterator<Item = Value>) -> bool {
    let mut was_read = true;
    let room = batch.room.clone();
    batch.calls.retain_mut(|call| {
        if was_read && needs_payload(&call.script) {
            match payloads.next() {
                Some(Value::BulkString(payload)) => return settle_by(call, payload, room.as_ref()),
                Some(_) => return false,
                None => was_read = false,
            }
        } else if was_read {
            settle_call(call, room.as_ref());
        }
        was_read
    });
    was_read
}

/// The payload itself need not go back to the store.
fn settle_by(call: &mut Call, payload: Vec<u8>, room: Option<&RoomId>) -> bool {
    let put = |call: &mut Call, payload: Vec<u8>| {
        if let Arguments::Message(message) = &mut call.arguments {
            message.payload = payload.into();
        }
    };
    put(call, payload);
    settle_call(call, room);
    put(call, Vec::new());
    true
}

/// The part of a batch that may run though these are not in the store; and what the first behind it lacks.
pub(in super::super) fn front(mut batch: Batch, missing: &[Address]) -> (Batch, Vec<Address>) {
    let lacks = |call: &Call| -> Vec<Address> {
        let declared = call.documents.as_deref().map(CallDocuments::declared).unwrap_or_default();
        let addresses = declared.iter().map(|declared| &declared.address);
        addresses.filter(|address| missing.contains(address)).cloned().collect()
    };
    let first = batch.calls.iter().map(lacks).enumerate().find(|(_, lacking)| !lacking.is_empty());
    let (place, lacking) = first.unwrap_or_else(|| (0, missing.to_vec()));
    batch.calls.truncate(place);
    (batch, lacking)
}

/// The command by which no look of any node shows rooms for so long; in place of how long they were to wait before.
pub(in super::super) fn hold(own_keys: &str, rooms: &[(Option<RoomId>, Duration)]) -> Cmd {
    let mut command = redis::cmd("EVAL");
    command
        .arg(concat!(include_str!("../mail_clock.lua"), include_str!("../mail_hold.lua")))
        .arg(1)
        .arg(format!("{own_keys}mail:"));
    for (room, wait) in rooms {
        command.arg(room.as_ref().map_or("", RoomId::as_str)).arg(wait.as_millis() as u64);
    }
    command
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::script::Header;
    use crate::state::Message;

    fn script(name: &str, documents: &str) -> Arc<Script> {
        let text = format!("-- ROLE: server\n{documents}");
        let header = Header::parse(name, &text).expect("valid");
        Arc::new(Script::new(name, format!("{name}.lua"), &text, header))
    }

    fn message(script: &Arc<Script>, id: u64) -> Call {
        Call::message(script.clone(), Message { id, payload: Box::default() })
    }

    fn room(name: &str) -> Option<RoomId> {
        RoomId::parse(name)
    }

    fn text(text: &str) -> Value {
        Value::BulkString(text.as_bytes().to_vec())
    }

    fn address(name: &str) -> Address {
        Address::parse(name).expect("a name of a document")
    }

    /// Each call's id and documents, or what is wrong.
    fn shown(batch: &Batch) -> Vec<String> {
        let show = |call: &Call| {
            let documents = match call.documents.as_deref() {
                None => "nothing".to_owned(),
                Some(CallDocuments::Refused(error)) => error.code.to_string(),
                Some(settled) => {
                    settled.declared().iter().map(|one| one.address.to_string()).collect::<Vec<_>>().join("+")
                }
            };
            format!("{} {documents}", call.message_id().expect("a message"))
        };
        batch.calls.iter().map(show).collect()
    }

    #[test]
    fn payloads_are_read_of_those_who_need_them() {
        let plain = script("plain", "");
        let of_room = script("of_room", "-- DATA: match/{room}");
        let by_payload = script("by_payload", "-- DATA: guild/{arg:id}, match/{room}");
        let batch = |name: &str, calls: Vec<Call>| Batch::new(room(name), calls, 0);
        let mut cheap = batch("a", vec![message(&plain, 1), message(&of_room, 2)]);
        assert!(!need_payloads(&cheap));
        settle(&mut cheap);
        assert_eq!(shown(&cheap), ["1 nothing", "2 match/a"]);

        let a = batch("a", vec![message(&by_payload, 1), message(&plain, 2), message(&by_payload, 3)]);
        let b = batch("b", vec![message(&by_payload, 4), message(&of_room, 5), message(&by_payload, 6)]);
        let gone = batch("c", vec![message(&by_payload, 7)]);
        let cut = batch("d", vec![message(&by_payload, 8), message(&by_payload, 9), message(&plain, 10)]);
        let none = batch("e", vec![message(&by_payload, 11)]);
        assert!(need_payloads(&a));
        let mut waiting = WaitingMessages::default();
        let asked = waiting.ask("godra:", vec![a, b, gone, cut, none]).get_packed_command();
        let asked = String::from_utf8_lossy(&asked).into_owned();
        assert!(asked.contains(&id_text(3)) && !asked.contains(&id_text(2)) && !asked.contains(&id_text(5)));
        assert!(waiting.is_reading(room("b").as_ref()) && !waiting.is_reading(None));
        let [one, other, last] = ["one", "other", "last"].map(|id| text(&format!(r#"{{"id":"{id}"}}"#)));
        let answer = vec![one, text(r#"{"id":"a/b"}"#), Value::Nil, other, Value::Nil, last];
        let (ready, unread) = waiting.read(Value::Array(answer));
        let all: Vec<_> = ready.iter().map(shown).collect();
        assert_eq!(all[0], ["1 guild/one+match/a", "2 nothing", "3 bad_request"]);
        assert_eq!(all[1], ["5 match/b", "6 guild/other+match/b"], "others have run what is gone");
        assert_eq!(all[2], ["8 guild/last+match/d"], "none runs before one that was not read");
        assert_eq!((all.len(), unread), (3, vec![room("e")]));
        let is_empty = |call: &Call| matches!(&call.arguments, Arguments::Message(message) if message.payload.is_empty());
        assert!(ready.iter().flat_map(|batch| &batch.calls).all(is_empty));
        assert!(!waiting.is_reading(room("b").as_ref()));
    }

    #[test]
    fn those_in_front_of_one_that_is_cold_run() {
        let by_room = script("by_room", "-- DATA: match/{room}");
        let fixed = script("fixed", "-- DATA: world/config");
        let batch = || {
            let calls = vec![message(&by_room, 1), message(&fixed, 2), message(&by_room, 3)];
            let mut batch = Batch::new(room("a"), calls, 0);
            settle(&mut batch);
            batch
        };
        let (some, lacking) = front(batch(), &[address("world/config")]);
        assert_eq!((shown(&some), lacking), (vec!["1 match/a".to_owned()], vec![address("world/config")]));
        let (none, lacking) = front(batch(), &[address("world/config"), address("match/a")]);
        assert_eq!((none.calls.len(), lacking), (0, vec![address("match/a")]));
    }

    #[test]
    fn rooms_wait_longer_and_longer_until_their_documents_come() {
        let (mut waiting, mut now) = (WaitingMessages::default(), Instant::now());
        let (here, cold) = (room("a"), vec![address("x/1"), address("x/2")]);
        let mut waits = Vec::new();
        for _ in 0..9 {
            let wait = waiting.hold(here.clone(), cold.clone(), now);
            assert_eq!(waiting.wait_of(here.as_ref(), now), Some(wait));
            assert_eq!(waiting.wait(now), Some(wait));
            now += wait;
            assert_eq!(waiting.wait_of(here.as_ref(), now), None);
            waits.push(wait.as_millis());
        }
        assert_eq!(waits, [20, 40, 80, 160, 320, 640, 1280, 2000, 2000]);
        assert_eq!(waiting.hold(here.clone(), cold[..1].to_vec(), now), FIRST_HOLD, "some have come");
        assert_eq!(waiting.hold(here.clone(), cold.clone(), now), FIRST_HOLD);
        assert_eq!(waiting.hold(None, vec![address("x/3")], now), FIRST_HOLD);
        assert!(waiting.installed(&[address("x/1"), address("y/1")]).is_empty());
        assert_eq!(waiting.installed(&[address("x/2")]), std::slice::from_ref(&here));
        assert_eq!(waiting.wait_of(here.as_ref(), now), None);
        assert!(waiting.wait_of(None, now).is_some());
        now += FIRST_HOLD + LONGEST_HOLD;
        waiting.forget(now);
        assert!(waiting.held.is_empty());
    }
}
