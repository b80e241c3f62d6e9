//! `godra`: what scripts have beyond Redis.

use super::json::{self, Options};
use super::stack::{Entry, Kind, Outcome, Raised, Stack, native};
use crate::state::embedded::events::Outbox;
use crate::state::event_text::BadEvent;
use crate::wire::ids::RoomId;

/// Pushes the library. `user`, `room` and `now` are made when a script first asks for them.
pub fn push_library(stack: Stack<'_>) {
    let functions: [Entry; 3] =
        [(c"publish", native(publish)), (c"send", native(send)), (c"error", native(error))];
    stack.push_library(&functions);
    stack.push_table(0, 1);
    stack.push_native(native(circumstance), 0);
    stack.set_field(-2, c"__index");
    stack.set_metatable(-2);
}

/// Looks `godra.user` and its like up: the metatable's `__index` for fields that are not there.
fn circumstance(stack: Stack<'_>) -> Outcome {
    let caller = stack.host().caller.borrow();
    match stack.bytes(2) {
        Some(b"user") => {
            push_user(stack);
            // The same table for the rest of the call.
            stack.push_value(2);
            stack.push_value(-2);
            stack.raw_set(1);
            stack.host().has_user_table.set(true);
        }
        Some(b"room") if let Some(room) = &caller.room => stack.push_bytes(room.as_str().as_bytes()),
        Some(b"room_ttl") => stack.push_number(stack.host().room_ttl_s.get() as f64),
        Some(b"now") => stack.push_number(caller.now_ms as f64),
        _ => stack.push_nil(),
    }
    Ok(1)
}

fn push_user(stack: Stack<'_>) {
    let caller = stack.host().caller.borrow();
    stack.push_table(0, 3);
    if let Some(identity) = &caller.identity {
        for (name, text) in
            [(c"id", &*identity.user_id), (c"name", &*identity.username), (c"role", identity.role.as_str())]
        {
            stack.push_bytes(text.as_bytes());
            stack.set_field(-2, name);
        }
    }
}

/// Takes `godra.user` away again; `library` is the index of the library's real table.
pub fn forget_user(stack: Stack<'_>, library: i32) {
    if stack.host().has_user_table.replace(false) {
        stack.push_nil();
        stack.set_field(library, c"user");
    }
}

fn publish(stack: Stack<'_>) -> Outcome {
    let kind = stack.check_bytes(1)?;
    stack.set_top(2);
    let mut payload = stack.host().scratch.borrow_mut();
    encode_top(stack, &mut payload)?;
    with_room(stack, "publish", |outbox, room| outbox.publish(room, kind, &payload))
}

fn send(stack: Stack<'_>) -> Outcome {
    let user_id = stack.check_bytes(1)?;
    let kind = stack.check_bytes(2)?;
    stack.set_top(3);
    let mut payload = stack.host().scratch.borrow_mut();
    encode_top(stack, &mut payload)?;
    with_room(stack, "send", |outbox, room| outbox.send(room, user_id, kind, &payload))
}

/// Ends the call with a code of the script's own, unless a `pcall` catches the table.
fn error(stack: Stack<'_>) -> Outcome {
    stack.check_bytes(1)?;
    stack.check_bytes(2)?;
    stack.set_top(3);
    if stack.kind(3) != Kind::Nil {
        // Here the mistake still has a line.
        let mut details = stack.host().scratch.borrow_mut();
        encode_top(stack, &mut details)?;
    }
    stack.push_table(0, 3);
    for (argument, name) in [(1, c"code"), (2, c"message"), (3, c"details")] {
        stack.push_value(argument);
        stack.set_field(-2, name);
    }
    Err(stack.raise_top())
}

/// Encodes the value on top as `cjson` does before anyone changed its options.
pub fn encode_top(stack: Stack<'_>, out: &mut Vec<u8>) -> Result<(), Raised> {
    out.clear();
    json::encode(stack, Options::default(), out)
}

fn with_room(
    stack: Stack<'_>,
    name: &str,
    act: impl FnOnce(&mut Outbox, &RoomId) -> Result<(), BadEvent>,
) -> Outcome {
    let host = stack.host();
    let caller = host.caller.borrow();
    let Some(room) = &caller.room else {
        return Err(stack.error(format_args!("godra.{name} needs a room, and this call is in none")));
    };
    match act(&mut host.outbox.borrow_mut(), room) {
        Ok(()) => Ok(0),
        Err(bad) => Err(stack.error(format_args!("{}", bad.message()))),
    }
}
