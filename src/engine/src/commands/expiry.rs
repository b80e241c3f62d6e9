//! Commands on a key's time to live.

use super::super::keyspace::Keyspace;
use super::super::reply::ReplyBuffer;
use super::arguments::{integer, is};
use super::failure::{Failure, Outcome, quoted};

/// The expiry options that `SET` and `GETEX` share, with their unread number.
#[derive(Clone, Copy)]
pub(super) enum Expiration<'a> {
    InSeconds(&'a [u8]),
    InMs(&'a [u8]),
    AtSecond(&'a [u8]),
    AtMs(&'a [u8]),
}

impl<'a> Expiration<'a> {
    /// Reads one option; repeating the same one is allowed, and the last counts.
    pub(crate) fn parse(
        option: &[u8],
        number: Option<&&'a [u8]>,
        before: Option<Self>,
    ) -> Result<Self, Failure> {
        let number = number.ok_or(Failure::SYNTAX)?;
        let parsed = if is(option, "ex") {
            Self::InSeconds(number)
        } else if is(option, "px") {
            Self::InMs(number)
        } else if is(option, "exat") {
            Self::AtSecond(number)
        } else if is(option, "pxat") {
            Self::AtMs(number)
        } else {
            return Err(Failure::SYNTAX);
        };
        let same_option = |other| std::mem::discriminant(&parsed) == std::mem::discriminant(&other);
        if before.is_none_or(same_option) { Ok(parsed) } else { Err(Failure::SYNTAX) }
    }

    /// The time in milliseconds since the Unix epoch; `command` is named in the error.
    pub(super) fn at_ms(self, now_ms: u64, command: &str) -> Result<u64, Failure> {
        let (number, unit_ms, base) = match self {
            Self::InSeconds(number) => (number, 1000, now_ms as i64),
            Self::InMs(number) => (number, 1, now_ms as i64),
            Self::AtSecond(number) => (number, 1000, 0),
            Self::AtMs(number) => (number, 1, 0),
        };
        let number = integer(number)?;
        let at = number.checked_mul(unit_ms).and_then(|ms| ms.checked_add(base));
        at.filter(|_| number > 0).map(|at| at as u64).ok_or_else(|| Failure::expire_time(command))
    }
}

/// `EXPIRE key seconds [NX | XX | GT | LT]`
pub(super) fn expire(keyspace: &mut Keyspace, arguments: &[&[u8]], reply: &mut ReplyBuffer) -> Outcome {
    set_end(keyspace, arguments, 1000, keyspace.now_ms(), "expire", reply)
}

/// `PEXPIRE key milliseconds [NX | XX | GT | LT]`
pub(super) fn pexpire(keyspace: &mut Keyspace, arguments: &[&[u8]], reply: &mut ReplyBuffer) -> Outcome {
    set_end(keyspace, arguments, 1, keyspace.now_ms(), "pexpire", reply)
}

/// `EXPIREAT key second [NX | XX | GT | LT]`
pub(super) fn expireat(keyspace: &mut Keyspace, arguments: &[&[u8]], reply: &mut ReplyBuffer) -> Outcome {
    set_end(keyspace, arguments, 1000, 0, "expireat", reply)
}

/// `PEXPIREAT key millisecond [NX | XX | GT | LT]`
pub(super) fn pexpireat(keyspace: &mut Keyspace, arguments: &[&[u8]], reply: &mut ReplyBuffer) -> Outcome {
    set_end(keyspace, arguments, 1, 0, "pexpireat", reply)
}

fn set_end(
    keyspace: &mut Keyspace,
    arguments: &[&[u8]],
    unit_ms: i64,
    base_ms: u64,
    command: &str,
    reply: &mut ReplyBuffer,
) -> Outcome {
    let key = arguments[1];
    let conditions = Conditions::parse(&arguments[3..])?;
    let end_ms = integer(arguments[2])?.checked_mul(unit_ms).and_then(|ms| ms.checked_add(base_ms as i64));
    let end_ms = end_ms.ok_or_else(|| Failure::expire_time(command))?;
    let is_set = match keyspace.expiry(key) {
        None => false,
        Some(current) if !conditions.allow(current, end_ms) => false,
        Some(_) if end_ms <= keyspace.now_ms() as i64 => keyspace.remove(key),
        Some(_) => keyspace.set_expiry(key, Some(end_ms as u64)),
    };
    reply.integer(i64::from(is_set));
    Ok(())
}

#[derive(Default)]
struct Conditions {
    only_without: bool,
    only_with: bool,
    only_later: bool,
    only_sooner: bool,
}

impl Conditions {
    fn parse(arguments: &[&[u8]]) -> Result<Self, Failure> {
        let mut conditions = Self::default();
        for option in arguments {
            let named = [
                ("nx", &mut conditions.only_without),
                ("xx", &mut conditions.only_with),
                ("gt", &mut conditions.only_later),
                ("lt", &mut conditions.only_sooner),
            ];
            let Some((_, flag)) = named.into_iter().find(|(name, _)| is(option, name)) else {
                return Err(Failure::new(format!("ERR Unsupported option {}", quoted(option, 128))));
            };
            *flag = true;
        }
        if conditions.only_without
            && (conditions.only_with || conditions.only_later || conditions.only_sooner)
        {
            return Err(Failure::fixed(
                "ERR NX and XX, GT or LT options at the same time are not compatible",
            ));
        }
        if conditions.only_later && conditions.only_sooner {
            return Err(Failure::fixed("ERR GT and LT options at the same time are not compatible"));
        }
        Ok(conditions)
    }

    /// Whether the end may change; a key without an end counts as one that never ends.
    fn allow(&self, current: Option<u64>, end_ms: i64) -> bool {
        let is_later = current.is_some_and(|current| end_ms > current as i64);
        let is_sooner = current.is_none_or(|current| end_ms < current as i64);
        (!self.only_without || current.is_none())
            && (!self.only_with || current.is_some())
            && (!self.only_later || is_later)
            && (!self.only_sooner || is_sooner)
    }
}

/// `TTL key`: in seconds; -1 without an end, -2 without the key.
pub(super) fn ttl(keyspace: &mut Keyspace, arguments: &[&[u8]], reply: &mut ReplyBuffer) -> Outcome {
    reply_end(keyspace, arguments[1], |end_ms, now_ms| seconds(end_ms - now_ms), reply)
}

/// `PTTL key`: in milliseconds; -1 without an end, -2 without the key.
pub(super) fn pttl(keyspace: &mut Keyspace, arguments: &[&[u8]], reply: &mut ReplyBuffer) -> Outcome {
    reply_end(keyspace, arguments[1], |end_ms, now_ms| end_ms - now_ms, reply)
}

/// `EXPIRETIME key`: the second at which it ends.
pub(super) fn expiretime(keyspace: &mut Keyspace, arguments: &[&[u8]], reply: &mut ReplyBuffer) -> Outcome {
    reply_end(keyspace, arguments[1], |end_ms, _| seconds(end_ms), reply)
}

/// `PEXPIRETIME key`: the millisecond at which it ends.
pub(super) fn pexpiretime(keyspace: &mut Keyspace, arguments: &[&[u8]], reply: &mut ReplyBuffer) -> Outcome {
    reply_end(keyspace, arguments[1], |end_ms, _| end_ms, reply)
}

fn seconds(ms: u64) -> u64 {
    ms.saturating_add(500) / 1000
}

fn reply_end(
    keyspace: &Keyspace,
    key: &[u8],
    show: impl Fn(u64, u64) -> u64,
    reply: &mut ReplyBuffer,
) -> Outcome {
    reply.integer(match keyspace.expiry(key) {
        None => -2,
        Some(None) => -1,
        Some(Some(end_ms)) => show(end_ms, keyspace.now_ms()) as i64,
    });
    Ok(())
}

/// `PERSIST key`
pub(super) fn persist(keyspace: &mut Keyspace, arguments: &[&[u8]], reply: &mut ReplyBuffer) -> Outcome {
    let has_end = keyspace.expiry(arguments[1]).flatten().is_some();
    if has_end {
        keyspace.set_expiry(arguments[1], None);
    }
    reply.integer(i64::from(has_end));
    Ok(())
}
