//! How messages travel from a store to another one: each exactly once, in order. No sockets here.
//!
//! ```text
//!  a store ──look──► its writer ──mail_send.lua──► outbox ──► the other's writer ──mail_receive.lua──► the other store
//!                        └──────────────── mail_send.lua: trims what has arrived ◄────────────────────────┘
//! ```
//!
//! Every step may be done twice, by this node or by another, and none need be done by the node that did the one before.

use std::time::{Duration, Instant};

use redis::{Cmd, Value};

use super::mail::Due;
use crate::state::mail::{MAX_PENDING, MAX_PENDING_IN_ALL};
use crate::wire::ids::RoomId;

/// How many messages an outbox holds: beyond that, scripts cannot tell anything to other rooms.
pub(super) const MAX_WAITING: usize = 100_000;
/// What a script is told then.
pub(super) const FULL: &str = "too many messages wait for another store, which may be away";
/// How many go in one parcel.
const PARCEL: usize = 200;
/// How often it is looked what others have left in an outbox.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// Messages on their way.
#[derive(Debug)]
pub(super) struct Parcel {
    /// The index of the store that they come from.
    pub source: usize,
    /// Its name, as it was given to the data that it holds.
    source_name: Vec<u8>,
    /// As they are in the outbox.
    messages: Vec<Vec<u8>>,
}

/// What a node knows of a store's outbox to another one.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Outbox {
    looked_at: Option<Instant>,
    /// Since when a parcel is on its way.
    sent_at: Option<Instant>,
}

impl Outbox {
    /// Whether it is time to look what is in it; if so, that is done.
    pub(super) fn looks(&mut self, now: Instant) -> bool {
        let is_time = self.looked_at.is_none_or(|at| now.duration_since(at) >= LOOK_INTERVAL);
        if is_time {
            self.looked_at = Some(now);
        }
        is_time
    }

    /// Whether a parcel may go: one at a time, unless it is lost.
    pub(super) fn sends(&mut self, now: Instant) -> bool {
        let is_free = self.sent_at.is_none_or(|at| now.duration_since(at) >= LOOK_INTERVAL);
        if is_free {
            self.sent_at = Some(now);
        }
        is_free
    }

    /// The parcel has arrived, or could not.
    pub(super) fn arrived(&mut self) {
        self.sent_at = None;
    }
}

/// The command that puts messages into the outbox to another store, and drops those that have arrived there; its answer is for
/// [`read_sent`].
pub(super) fn send(own_keys: &str, target: &str, arrived: u64, rooms: &[(Option<RoomId>, Vec<Due>)]) -> Cmd {
    let mut command = redis::cmd("EVAL");
    command
        .arg(concat!(include_str!("mail_clock.lua"), include_str!("mail_send.lua")))
        .arg(4)
        .arg(format!("{own_keys}mail:"));
    command.arg(format!("{own_keys}store")).arg(format!("{own_keys}mail:out:{target}"));
    command.arg(format!("{own_keys}mail:out_seq:{target}")).arg(arrived).arg(MAX_WAITING).arg(PARCEL);
    for (room, due) in rooms {
        command.arg(room.as_ref().map_or("", RoomId::as_str)).arg(due.len());
        for due in due {
            command.arg(due.entry());
        }
    }
    command
}

/// Reads the answer to [`send`]: how many messages were put in, and what is next to go, if anything.
pub(super) fn read_sent(answer: Value, source: usize) -> Option<(u64, Option<Parcel>)> {
    let Value::Array(parts) = answer else { return None };
    let mut parts = parts.into_iter();
    let (Some(Value::BulkString(source_name)), Some(Value::Int(moved))) = (parts.next(), parts.next()) else {
        return None;
    };
    let message = |part| if let Value::BulkString(message) = part { Some(message) } else { None };
    let messages: Vec<Vec<u8>> = parts.map(message).collect::<Option<_>>()?;
    let parcel = (!messages.is_empty()).then_some(Parcel { source, source_name, messages });
    Some((moved.try_into().ok()?, parcel))
}

/// The command by which the other store takes a parcel; its answer is for [`read_received`].
pub(super) fn receive(own_keys: &str, parcel: &Parcel) -> Cmd {
    let mut command = redis::cmd("EVAL");
    command.arg(include_str!("mail_receive.lua")).arg(1).arg(format!("{own_keys}mail:"));
    command.arg(&parcel.source_name[..]).arg(MAX_PENDING).arg(MAX_PENDING_IN_ALL);
    for message in &parcel.messages {
        command.arg(&message[..]);
    }
    command
}

/// Reads the answer to [`receive`]: up to which number all have arrived; none if that store can take none now.
pub(super) fn read_received(answer: &Value) -> Option<u64> {
    match answer {
        Value::Int(number) => u64::try_from(*number).ok().filter(|number| *number > 0),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_parcel_is_on_its_way_unless_it_is_lost() {
        let (mut outbox, began) = (Outbox::default(), Instant::now());
        assert!(outbox.sends(began) && !outbox.sends(began + LOOK_INTERVAL / 2));
        assert!(outbox.sends(began + LOOK_INTERVAL), "nobody has told that it arrived");
        outbox.arrived();
        assert!(outbox.sends(began + LOOK_INTERVAL));
        assert!(outbox.looks(began) && !outbox.looks(began) && outbox.looks(began + LOOK_INTERVAL));
    }

    #[test]
    fn answers_are_read() {
        let text = |text: &str| Value::BulkString(text.as_bytes().to_vec());
        let answer = vec![text("node-1"), Value::Int(2), text("one"), text("two")];
        let (moved, parcel) = read_sent(Value::Array(answer), 1).expect("an answer");
        let parcel = parcel.expect("there are messages");
        assert_eq!((moved, parcel.source, parcel.messages.len()), (2, 1, 2));
        let (moved, parcel) = read_sent(Value::Array(vec![text(""), Value::Int(0)]), 1).expect("an answer");
        assert!(moved == 0 && parcel.is_none());
        assert!(read_sent(Value::Nil, 1).is_none());
        assert_eq!(
            [Value::Int(7), Value::Int(0), Value::Nil].map(|answer| read_received(&answer)),
            [Some(7), None, None]
        );
    }
}
