//! A batch as the command that Redis runs. No sockets here.

use std::sync::Arc;

use rmp::encode::{write_array_len, write_bool, write_nil, write_str_len, write_uint};

use super::program::Program;
use crate::script::Script;
use crate::state::{Arguments, Batch, Call, CallKeys, Membership};

/// What the programs are told besides the calls.
#[derive(Clone, Copy, Debug)]
pub struct Head<'a> {
    /// This process.
    pub node: &'a str,
    /// The room's epoch, should it have none yet.
    pub fresh_epoch: u64,
    /// For `math.random`.
    pub seed: u32,
    /// How long a room is kept after its last member left, in seconds.
    pub room_ttl_s: u64,
}

/// A membership as the store has it: `node number role username`.
pub fn membership_text(node: &str, number: u32, call: &Call) -> String {
    format!("{node} {number} {} {}", call.caller.role, call.caller.username)
}

/// Appends `EVALSHA program keys… arguments…` in RESP (<https://redis.io/docs/latest/commands/evalsha/>).
pub fn write_batch(batch: &Batch, program: &Program, head: Head<'_>, out: &mut Vec<u8>) {
    let mut keys = Keys::new(batch);
    let mut calls = Vec::with_capacity(256);
    put(write_array_len(&mut calls, batch.calls.len() as u32));
    for call in &batch.calls {
        write_call(call, program, &mut keys, head.node, &mut calls);
    }
    let head = encode_head(batch, head);
    let mut command = redis::cmd("EVALSHA");
    command.arg(&program.sha).arg(keys.list.len()).arg(&keys.list).arg(head).arg(calls);
    command.write_packed_command(out);
}

fn encode_head(batch: &Batch, head: Head<'_>) -> Vec<u8> {
    let mut out = Vec::with_capacity(64);
    let room = batch.room.as_ref().map_or("", |room| room.as_str());
    let refreshes = batch.calls.iter().any(|call| matches!(call.membership, Membership::Enter(_)));
    put(write_array_len(&mut out, 7));
    write_text(room.as_bytes(), &mut out);
    write_text(head.node.as_bytes(), &mut out);
    write_text(head.fresh_epoch.to_string().as_bytes(), &mut out);
    put(write_bool(&mut out, batch.stop_on_error));
    put(write_bool(&mut out, refreshes));
    put(write_uint(&mut out, u64::from(head.seed)));
    put(write_uint(&mut out, head.room_ttl_s));
    out
}

fn write_call(call: &Call, program: &Program, keys: &mut Keys<'_>, node: &str, out: &mut Vec<u8>) {
    const FIELDS: u32 = 7;
    const FIELDS_WITH_MEMBERSHIP: u32 = 10;
    let (first, count) = keys.of(call);
    let membership = match &call.membership {
        Membership::Unchanged => None,
        Membership::Enter(number) => Some(("enter", membership_text(node, *number, call))),
        Membership::Leave(number) => Some(("leave", membership_text(node, *number, call))),
        Membership::Confirm(number) => Some(("confirm", membership_text(node, *number, call))),
        Membership::LeaveOf(text) => Some(("leave", text.to_string())),
    };
    put(write_array_len(out, if membership.is_some() { FIELDS_WITH_MEMBERSHIP } else { FIELDS }));
    put(write_uint(out, program.place(&call.script) as u64));
    put(write_uint(out, first as u64));
    put(write_uint(out, count as u64));
    put(write_bool(out, call.wants_result));
    write_arguments(call, out);
    write_text(call.caller.username.as_bytes(), out);
    write_text(call.caller.role.as_str().as_bytes(), out);
    if let Some((step, text)) = membership {
        write_text(step.as_bytes(), out);
        write_text(text.as_bytes(), out);
        write_text(call.caller.user_id.as_bytes(), out);
    }
}

fn write_arguments(call: &Call, out: &mut Vec<u8>) {
    let arguments: &[Box<[u8]>] = match &call.arguments {
        Arguments::Payload(payload) => std::slice::from_ref(payload),
        Arguments::List(list) => list,
    };
    put(write_array_len(out, 1 + arguments.len() as u32));
    write_text(call.caller.user_id.as_bytes(), out);
    arguments.iter().for_each(|argument| write_text(argument, out));
}

/// Lua has one type for texts and bytes.
fn write_text(text: &[u8], out: &mut Vec<u8>) {
    match u32::try_from(text.len()) {
        Ok(len) => {
            put(write_str_len(out, len));
            out.extend_from_slice(text);
        }
        Err(_) => put(write_nil(out)),
    }
}

fn put<T, E: std::fmt::Debug>(written: Result<T, E>) {
    written.expect("a vector takes what is written to it");
}

/// The keys of a batch: those that calls share are there once.
struct Keys<'a> {
    batch: &'a Batch,
    list: Vec<Vec<u8>>,
    /// Where the keys of a script are that follow from the room.
    derived: Vec<(&'a Arc<Script>, usize)>,
}

impl<'a> Keys<'a> {
    fn new(batch: &'a Batch) -> Self {
        let record = match &batch.room {
            Some(room) => format!("godra:room:{room}"),
            None => "godra:none".to_owned(),
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
                    pattern.write(room, &mut key);
                    self.list.push(key);
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
