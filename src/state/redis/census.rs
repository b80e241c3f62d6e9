//! Counts what each room takes in a store, in steps that hold nobody up. No sockets here.
//!
//! A step is a script that looks at some of the store's keys ([`SCAN`](https://redis.io/docs/latest/commands/scan/)) and asks how
//! large they are ([`MEMORY USAGE`](https://redis.io/docs/latest/commands/memory-usage/)).

use std::time::{Duration, Instant};

use redis::{Cmd, Value};
use smol_str::SmolStr;

use crate::state::survey::{Counting, Part};

/// Keys that a step looks at, about: it takes the store less than a millisecond.
const KEYS_AT_ONCE: usize = 200;
/// From the answer to one step to the next.
pub(super) const REST: Duration = Duration::from_millis(10);
const STEP: &str = include_str!("census.lua");

/// A survey that is being taken over one connection.
#[derive(Debug)]
pub(super) struct Census {
    cursor: Box<str>,
    counting: Counting,
    /// Whether a step is under way.
    is_asked: bool,
    stepped_at: Option<Instant>,
}

/// What came of a step.
#[derive(Debug)]
pub(super) enum Step {
    /// There is more to count.
    More(Census),
    /// All has been counted.
    Done(Counting),
    /// The store does not tell, in its own words.
    Refused(String),
}

impl Census {
    /// Nothing has been counted.
    pub(super) fn new() -> Self {
        Self { cursor: "0".into(), counting: Counting::default(), is_asked: false, stepped_at: None }
    }

    /// Whether a step is under way.
    pub(super) fn is_asked(&self) -> bool {
        self.is_asked
    }

    /// The command of the next step, for [`Census::read`], if it is time. `own_keys`: what the server's own keys begin with.
    pub(super) fn next(&mut self, own_keys: &str, now: Instant) -> Option<Cmd> {
        let is_resting = self.stepped_at.is_some_and(|at| now.duration_since(at) < REST);
        if self.is_asked || is_resting {
            return None;
        }
        self.is_asked = true;
        let mut command = redis::cmd("EVAL");
        command.arg(STEP).arg(1).arg(format!("{own_keys}store")).arg(&*self.cursor).arg(KEYS_AT_ONCE);
        Some(command)
    }

    /// Reads the answer to a step.
    pub(super) fn read(mut self, answer: Value, now: Instant) -> Step {
        let Value::Array(parts) = answer else { return Step::Refused(NO_SENSE.to_owned()) };
        let mut parts = parts.into_iter();
        let (first, others) = (parts.next().and_then(text), parts.next());
        match (first, others) {
            (Some(cursor), Some(Value::Int(others))) => {
                self.counting.other(u64::try_from(others).unwrap_or_default());
                self.cursor = cursor.into();
            }
            (Some(why), None) => return Step::Refused(why),
            _ => return Step::Refused(NO_SENSE.to_owned()),
        }
        while let (Some(Value::BulkString(key)), Some(Value::Int(bytes)), Some(more)) =
            (parts.next(), parts.next(), parts.next())
        {
            self.count(&key, u64::try_from(bytes).unwrap_or_default(), more);
        }
        if &*self.cursor == "0" {
            return Step::Done(self.counting);
        }
        self.is_asked = false;
        self.stepped_at = Some(now);
        Step::More(self)
    }

    fn count(&mut self, key: &[u8], bytes: u64, more: Value) {
        let Some((room, part)) = Counting::place(key) else { return self.counting.other(bytes) };
        let share = self.counting.room(room);
        share.bytes += bytes;
        share.keys += 1;
        match (part, more) {
            (Part::Head, Value::BulkString(owner)) => {
                share.owner = Some(SmolStr::new(String::from_utf8_lossy(&owner)));
            }
            (Part::Members, Value::Int(members)) => {
                share.members = u64::try_from(members).unwrap_or_default()
            }
            _ => {}
        }
    }
}

const NO_SENSE: &str = "its answer makes no sense";

fn text(value: Value) -> Option<String> {
    match value {
        Value::BulkString(text) => Some(String::from_utf8_lossy(&text).into_owned()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(text: &str) -> Value {
        Value::BulkString(text.as_bytes().to_vec())
    }

    #[test]
    fn a_store_is_counted_step_by_step() {
        let (mut census, mut now) = (Census::new(), Instant::now());
        assert!(census.next("godra:", now).is_some());
        assert!(census.next("godra:", now).is_none(), "one step at a time");
        let page = [word("17"), Value::Int(5), word("game:a"), Value::Int(100), word("ann")];
        let Step::More(mut census) = census.read(Value::Array(page.to_vec()), now) else {
            panic!("there is more")
        };
        assert!(census.next("godra:", now).is_none(), "it rests");
        now += REST;
        let packed = census.next("godra:", now).unwrap().get_packed_command();
        assert!(packed.windows(8).any(|bytes| bytes == b"$2\r\n17\r\n"));
        let page = [
            word("0"),
            Value::Int(2),
            word("game:a:players"),
            Value::Int(30),
            Value::Int(3),
            word("game:a:state"),
            Value::Int(20),
            Value::Nil,
            Value::BulkString(b"game:\xff".to_vec()),
            Value::Int(1),
            Value::Nil,
        ];
        let Step::Done(counting) = census.read(Value::Array(page.to_vec()), now) else {
            panic!("it is done")
        };
        let survey = counting.finish(now);
        let (room, share) = &survey.rooms[0];
        assert_eq!((room.as_str(), share.owner.as_deref()), ("a", Some("ann")));
        assert_eq!((share.bytes, share.keys, share.members, survey.other_bytes), (150, 3, 3, 8));
    }

    #[test]
    fn a_store_may_refuse() {
        let refused = |answer| match Census::new().read(answer, Instant::now()) {
            Step::Refused(why) => why,
            step => panic!("{step:?}"),
        };
        assert_eq!(refused(Value::Array(vec![word("NOPERM no")])), "NOPERM no");
        assert_eq!(refused(Value::Nil), NO_SENSE);
        assert_eq!(refused(Value::Array(vec![word("0"), word("x")])), NO_SENSE);
    }
}
