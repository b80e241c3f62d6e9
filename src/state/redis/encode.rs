//! A batch as the command that Redis runs. No sockets here.

use std::sync::Arc;

use rmp::encode::{write_array_len, write_str, write_uint};

use super::documents;
use super::mail;
use super::program::Program;
use crate::script::Script;
use crate::state::call::Input;
use crate::state::{Arguments, Batch, Call, CallKeys, Membership, OnError};

/// What the programs are told besides the calls.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head<'a> {
    pub node: &'a str,
    /// What the server's own keys begin with.
    pub own_keys: &'a str,
    /// The room's epoch, should it have none yet.
    pub fresh_epoch: u64,
    /// Of the first call; each call's is one above that of the call before.
    pub first_seed: u64,
    /// After how many calls the store looks at its clock, if the batch may give calls back.
    pub step: u32,
    /// How long a room is kept after its last member left, in seconds.
    pub room_ttl_s: u64,
    /// Whether the store was full when it was last asked.
    pub is_full: bool,
}

/// A membership as the store has it: `node number role username`.
pub(super) fn membership_text(node: &str, number: u32, call: &Call) -> String {
    format!("{node} {number} {} {}", call.caller.role, call.caller.username)
}

/// Appends `EVALSHA program keys… arguments…` in RESP (<https://redis.io/docs/latest/commands/evalsha/>); the prelude says
/// what each argument is.
pub(super) fn write_batch(batch: &Batch, program: &Program, head: Head<'_>, out: &mut Vec<u8>) {
    let mut keys = Keys::new(batch, head.own_keys);
    let runs = Runs::of(batch, program, &mut keys);
    let mut command = redis::cmd("EVALSHA");
    command.arg(&program.sha).arg(keys.list.len()).arg(&keys.list);
    let refreshes = batch.calls.iter().any(|call| call.membership.enters());
    // Who is in the room has its keys looked after when somebody goes.
    let is_from_outside = batch
        .calls
        .iter()
        .any(|call| matches!(call.keys, CallKeys::Resolved(_)) || call.message_id().is_some());
    let from_outside = if is_from_outside { "e" } else { "" };
    let on_error = match batch.on_error {
        OnError::GoOn => "",
        OnError::Stop => "s",
        OnError::LastNeedsAnother => "l",
    };
    let gives_back = if batch.gives_back() { format!("g{}", head.step) } else { String::new() };
    // A script that has taken a message may write, however full the store is.
    let tells_nothing = head.is_full && batch.calls.iter().any(|call| call.message_id().is_some());
    let (refreshes, tells_nothing) = (if refreshes { "r" } else { "" }, if tells_nothing { "f" } else { "" });
    let comes_again = !program.has_documents || documents::comes_again(batch);
    let ends_cold = if comes_again { "" } else { "d" };
    let flags =
        [from_outside, on_error, refreshes, tells_nothing, ends_cold, &gives_back, &places(batch)].concat();
    command.arg(batch.room.as_ref().map_or("", |room| room.as_str())).arg(head.node);
    command.arg(head.fresh_epoch).arg(flags).arg(head.first_seed).arg(head.room_ttl_s).arg(runs.packed());
    for call in &batch.calls {
        write_call(call, program, head.node, &mut command);
    }
    if program.has_documents {
        command.arg(documents::packed(batch));
    }
    command.write_packed_command(out);
}

/// As [`write_batch`], for batches of messages of several rooms, each of which is answered by itself.
pub(super) fn write_bundle(batches: &[Batch], program: &Program, head: Head<'_>, out: &mut Vec<u8>) {
    let (mut keys, mut runs) = (Vec::new(), Vec::new());
    let mut parts = Vec::with_capacity(16 * batches.len());
    write_array_len(&mut parts, 2 * batches.len() as u32).expect(FITS);
    for batch in batches {
        let mut of_room = Keys::new(batch, head.own_keys);
        let front = keys.len() as u32;
        for (mut common, count) in Runs::of(batch, program, &mut of_room).list {
            common[FRONT] += front;
            runs.push((common, count));
        }
        keys.append(&mut of_room.list);
        write_str(&mut parts, batch.room.as_ref().map_or("", |room| room.as_str())).expect(FITS);
        write_uint(&mut parts, ((COMMON_FIELDS + 1) * runs.len()) as u64).expect(FITS);
    }
    let mut command = redis::cmd("EVALSHA");
    command.arg(&program.sha).arg(keys.len()).arg(keys).arg("").arg(head.node).arg(head.fresh_epoch);
    command.arg(format!("eg{}b", head.step)).arg(head.first_seed).arg(head.room_ttl_s);
    command.arg(Runs { list: runs }.packed());
    for call in batches.iter().flat_map(|batch| &batch.calls) {
        write_call(call, program, head.node, &mut command);
    }
    command.arg(parts).write_packed_command(out);
}

/// Where callers were who want what they missed.
fn places(batch: &Batch) -> String {
    if batch.resumes.is_empty() {
        return String::new();
    }
    let places = batch.resumes.iter().map(|place| format!("{}:{}", place.epoch, place.seq));
    format!("h{}", places.collect::<Vec<_>>().join(","))
}

fn write_call(call: &Call, program: &Program, node: &str, command: &mut redis::Cmd) {
    command.arg(call.caller.user_id.as_bytes());
    command.arg(arguments(call));
    let place = program.place(&call.script);
    if program.asks_for_caller(place) {
        let kind = match call.input_of_script() {
            Some(Input::Json) if program.asks_for_payload(place) => "{",
            Some(Input::List) if program.asks_for_payload(place) => "[",
            _ => "",
        };
        command.arg(format!("{kind}{} {}", call.caller.role, call.caller.username));
    }
    if let Some(n) = call.n {
        command.arg(n.get());
        return;
    }
    if let Some(interval_ms) = call.tick_interval() {
        command.arg(format!("{interval_ms} {}", call.script.name));
        return;
    }
    if let Some(id) = call.message_id() {
        command.arg(mail::id_text(id));
        return;
    }
    match &call.membership {
        Membership::Unchanged => {}
        Membership::Enter(number)
        | Membership::Rejoin { membership: number, .. }
        | Membership::EnterUnlessRejoined(number)
        | Membership::Leave(number)
        | Membership::Confirm(number) => {
            command.arg(membership_text(node, *number, call));
        }
        Membership::GiveUp { membership, stands } => {
            let text = membership_text(node, *membership, call);
            command.arg(stands.map_or(text.clone(), |older| format!("{older} {text}")));
        }
        // No member has this number.
        Membership::Absent => {
            command.arg(membership_text(node, 0, call));
        }
        Membership::LeaveOf(text) => {
            command.arg(text.as_bytes());
        }
    }
}

/// `ARGV[2..]` of the script.
fn arguments(call: &Call) -> Vec<&[u8]> {
    match &call.arguments {
        Arguments::Payload(payload) => vec![payload],
        Arguments::List(list) => list.iter().map(|argument| &**argument).collect(),
        Arguments::Tick => Vec::new(),
        Arguments::Message(message) => vec![&message.payload],
    }
}

fn argument_count(call: &Call) -> usize {
    match &call.arguments {
        Arguments::Payload(_) | Arguments::Message(_) => 1,
        Arguments::List(list) => list.len(),
        Arguments::Tick => 0,
    }
}

/// How many numbers tell what the calls of a run have in common; one more tells how many they are.
const COMMON_FIELDS: usize = 7;
/// Which of these tells how many keys stand in front of a call's.
const FRONT: usize = 1;
const FITS: &str = "a vector takes what is written to it";

/// The step of an input that has a number.
const NUMBERED: u32 = 4;
/// The step of a tick.
const TICK: u32 = 8;
/// The step of a message.
const MESSAGE: u32 = 9;

/// Runs of calls that have all but their caller and arguments in common.
struct Runs {
    list: Vec<([u32; COMMON_FIELDS], u32)>,
}

impl Runs {
    fn of(batch: &Batch, program: &Program, keys: &mut Keys<'_>) -> Self {
        let mut list: Vec<([u32; COMMON_FIELDS], u32)> = Vec::with_capacity(4);
        for call in &batch.calls {
            let (first, count) = keys.of(call);
            let step = match call.membership {
                _ if call.n.is_some() => NUMBERED,
                _ if call.tick_interval().is_some() => TICK,
                _ if call.message_id().is_some() => MESSAGE,
                Membership::Unchanged => 0,
                Membership::Enter(_) => 1,
                Membership::Leave(_) | Membership::LeaveOf(_) => 2,
                Membership::Confirm(_) => 3,
                Membership::Rejoin { .. } => 5,
                Membership::EnterUnlessRejoined(_) => 6,
                Membership::Absent => 7,
                Membership::GiveUp { stands: None, .. } => 10,
                Membership::GiveUp { stands: Some(_), .. } => 11,
            };
            let place = program.place(&call.script);
            let names_caller = u32::from(program.asks_for_caller(place));
            let place = place as u32;
            let arguments = 1 + argument_count(call) as u32;
            let wants_result = u32::from(call.wants_result);
            let alike = [place, first as u32, count as u32, wants_result, arguments, names_caller, step];
            match list.last_mut() {
                Some((common, count)) if *common == alike => *count += 1,
                _ => list.push((alike, 1)),
            }
        }
        Self { list }
    }

    /// As one msgpack list of numbers.
    fn packed(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(16);
        write_array_len(&mut out, (self.list.len() * (COMMON_FIELDS + 1)) as u32).expect(FITS);
        for number in self.list.iter().flat_map(|(common, count)| common.iter().chain([count])) {
            write_uint(&mut out, u64::from(*number)).expect(FITS);
        }
        out
    }
}

/// The keys of a batch: those that calls share are there once.
struct Keys<'a> {
    batch: &'a Batch,
    list: Vec<Vec<u8>>,
    /// Where the keys of a script are that follow from the room alone.
    derived: Vec<(&'a Arc<Script>, usize)>,
}

impl<'a> Keys<'a> {
    fn new(batch: &'a Batch, own_keys: &str) -> Self {
        let record = match &batch.room {
            Some(room) => format!("{own_keys}room:{room}"),
            None => format!("{own_keys}none"),
        };
        Self { batch, list: vec![record.into_bytes()], derived: Vec::new() }
    }

    /// How many keys stand in front of a call's, and how many it has.
    fn of(&mut self, call: &Call) -> (usize, usize) {
        let first = self.list.len();
        match &call.keys {
            CallKeys::Resolved(keys) => {
                self.list.extend(keys.iter().map(|key| key.as_bytes().to_vec()));
                (first, keys.len())
            }
            CallKeys::FromRoom => {
                let patterns = &call.script.header.keys;
                if let Some((_, known)) =
                    self.derived.iter().find(|(script, _)| Arc::ptr_eq(script, &call.script))
                {
                    return (*known, patterns.len());
                }
                let room = self.batch.room.as_ref().map_or("", |room| room.as_str());
                for pattern in patterns {
                    let mut key = Vec::new();
                    pattern.write(room, &call.caller.user_id, &mut key);
                    self.list.push(key);
                }
                if call.script.has_user_keys() {
                    return (first, patterns.len());
                }
                let script = self.batch.calls.iter().map(|call| &call.script);
                if let Some(script) = script.into_iter().find(|script| Arc::ptr_eq(script, &call.script)) {
                    self.derived.push((script, first));
                }
                (first, patterns.len())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::program::Programs;
    use super::*;
    use crate::script::Header;
    use crate::state::Message;
    use crate::wire::ids::RoomId;

    #[test]
    fn a_bundle_has_each_rooms_record_and_keys_and_where_its_runs_end() {
        let text = "-- ROLE: server\n-- KEYS: game:{room}:a, game:{room}:b\nreturn 1";
        let header = Header::parse("s", text).expect("a header");
        let script = Arc::new(Script::new("s", "s.lua", text, header));
        let program = Programs::default().for_scripts([&script].into_iter());
        let batch = |room: &str, ids: &[u64]| {
            let message =
                |id: &u64| Call::message(script.clone(), Message { id: *id, payload: Box::default() });
            Batch::new(RoomId::parse(room), ids.iter().map(message).collect(), 0)
        };
        let head = Head {
            node: "n",
            own_keys: "own:",
            fresh_epoch: 7,
            first_seed: 5,
            step: 4,
            room_ttl_s: 60,
            is_full: false,
        };
        let mut out = Vec::new();
        write_bundle(&[batch("x", &[1]), batch("y", &[2, 3])], &program, head, &mut out);
        let words = redis::parse_redis_value(&out).expect("it is RESP");
        let redis::Value::Array(words) = words else { panic!("a list") };
        let words: Vec<Vec<u8>> = words
            .into_iter()
            .map(|word| if let redis::Value::BulkString(word) = word { word } else { panic!("{word:?}") })
            .collect();
        let texts: Vec<_> = words.iter().map(|word| String::from_utf8_lossy(word)).collect();
        assert_eq!(texts[..2], ["EVALSHA", &program.sha]);
        let keys = ["6", "own:room:x", "game:x:a", "game:x:b", "own:room:y", "game:y:a", "game:y:b"];
        assert_eq!(texts[2..9], keys);
        assert_eq!(texts[9..15], ["", "n", "7", "eg4b", "5", "60"]);
        // Of each run: script, keys in front, keys, no result, arguments, no caller, a message, calls.
        assert_eq!(
            words[15],
            [&[0xdc, 0, 16][..], &[1, 1, 2, 0, 2, 0, 9, 1], &[1, 4, 2, 0, 2, 0, 9, 2]].concat()
        );
        let ids = [1, 2, 3].map(mail::id_text);
        assert_eq!(texts[16..25], ["", "", &ids[0], "", "", &ids[1], "", "", &ids[2]]);
        assert_eq!(words[25..], [vec![0x94, 0xa1, b'x', 8, 0xa1, b'y', 16]]);
    }
}
