//! `BITFIELD`: a string as an array of integers of any width.

use super::super::keyspace::{Change, Keyspace};
use super::super::reply::ReplyBuffer;
use super::arguments::{integer, is};
use super::bits::BAD_OFFSET;
use super::failure::{Failure, Outcome};
use super::number::parse_integer;
use super::strings::{MAX_LEN, ZERO_NS};

/// `BITFIELD key [GET type offset | [OVERFLOW WRAP | SAT | FAIL] SET type offset value | INCRBY type offset value] …`
pub(super) fn bitfield(keyspace: &mut Keyspace, arguments: &[&[u8]], reply: &mut ReplyBuffer) -> Outcome {
    let steps = parse(&arguments[2..])?;
    let key = arguments[1];
    let Some(len) = steps.iter().filter(|step| step.action != Action::Get).map(Step::end_byte).max() else {
        return read_all(keyspace, key, &steps, reply);
    };
    let before = keyspace.read::<Vec<u8>>(key)?.map_or(0, Vec::len);
    keyspace.need(len.saturating_sub(before))?;
    keyspace.allow_work(len.saturating_sub(before), ZERO_NS)?;
    let mut value = keyspace.write_or_create::<Vec<u8>>(key)?;
    // Room for all fields, also for those that stay as they are.
    value.bytes_mut(len, 0);
    reply.array(steps.len());
    for step in &steps {
        match step.run(&mut value) {
            Some(number) => reply.integer(number),
            None => reply.nil(),
        }
    }
    Ok(())
}

/// `BITFIELD_RO key [GET type offset] …`
pub(super) fn bitfield_ro(keyspace: &mut Keyspace, arguments: &[&[u8]], reply: &mut ReplyBuffer) -> Outcome {
    let steps = parse(&arguments[2..])?;
    if steps.iter().any(|step| step.action != Action::Get) {
        return Err(Failure::fixed("ERR BITFIELD_RO only supports the GET subcommand"));
    }
    read_all(keyspace, arguments[1], &steps, reply)
}

fn read_all(keyspace: &Keyspace, key: &[u8], steps: &[Step], reply: &mut ReplyBuffer) -> Outcome {
    let value = keyspace.read::<Vec<u8>>(key)?.map_or(&[][..], Vec::as_slice);
    reply.array(steps.len());
    steps.iter().for_each(|step| reply.integer(step.field.read(value)));
    Ok(())
}

fn parse(arguments: &[&[u8]]) -> Result<Vec<Step>, Failure> {
    let mut steps = Vec::new();
    let mut overflow = Overflow::Wrap;
    let mut rest = arguments;
    while let Some((name, more)) = rest.split_first() {
        rest = match more {
            [width, offset, more @ ..] if is(name, "get") => {
                steps.push(Step { field: Field::parse(width, offset)?, action: Action::Get });
                more
            }
            [width, offset, number, more @ ..] if is(name, "set") => {
                let field = Field::parse(width, offset)?;
                steps.push(Step { field, action: Action::Set(integer(number)?, overflow) });
                more
            }
            [width, offset, number, more @ ..] if is(name, "incrby") => {
                let field = Field::parse(width, offset)?;
                steps.push(Step { field, action: Action::Add(integer(number)?, overflow) });
                more
            }
            [word, more @ ..] if is(name, "overflow") => {
                overflow = Overflow::parse(word)?;
                more
            }
            _ => return Err(Failure::SYNTAX),
        };
    }
    Ok(steps)
}

struct Step {
    field: Field,
    action: Action,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Action {
    Get,
    Set(i64, Overflow),
    Add(i64, Overflow),
}

impl Step {
    /// Bytes that the string must have for this field.
    fn end_byte(&self) -> usize {
        (self.field.offset + self.field.width).div_ceil(8)
    }

    /// Carries the step out, and gives what it answers; nil where `OVERFLOW FAIL` kept it from writing.
    fn run(&self, value: &mut Change<'_, Vec<u8>>) -> Option<i64> {
        let before = self.field.read(value);
        match self.action {
            Action::Get => Some(before),
            Action::Set(number, overflow) => {
                let number = overflow.fit(&self.field, self.field.widened(number))?;
                self.field.write(value, number);
                Some(before)
            }
            Action::Add(increment, overflow) => {
                let sum = self.field.widened(before) + i128::from(increment);
                let number = overflow.fit(&self.field, sum)?;
                self.field.write(value, number);
                Some(number)
            }
        }
    }
}

/// What happens to a number that does not fit.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Overflow {
    Wrap,
    Saturate,
    Fail,
}

impl Overflow {
    fn parse(word: &[u8]) -> Result<Self, Failure> {
        let named = [("wrap", Self::Wrap), ("sat", Self::Saturate), ("fail", Self::Fail)];
        let chosen = named.into_iter().find(|(name, _)| is(word, name));
        chosen.map(|(_, overflow)| overflow).ok_or(Failure::fixed("ERR Invalid OVERFLOW type specified"))
    }

    fn fit(self, field: &Field, number: i128) -> Option<i64> {
        let (min, max) = field.limits();
        match self {
            _ if (min..=max).contains(&number) => Some(number as i64),
            Self::Wrap => Some(field.wrapped(number as u64)),
            Self::Saturate => Some(number.clamp(min, max) as i64),
            Self::Fail => None,
        }
    }
}

/// Where an integer stands in the string.
struct Field {
    is_signed: bool,
    /// In bits: up to 64 if signed, up to 63 if not.
    width: usize,
    /// In bits.
    offset: usize,
}

impl Field {
    fn parse(kind: &[u8], offset: &[u8]) -> Result<Self, Failure> {
        let invalid = Failure::fixed(
            "ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is.",
        );
        let (is_signed, width) = match kind {
            [b'i', width @ ..] => (true, width),
            [b'u', width @ ..] => (false, width),
            _ => return Err(invalid),
        };
        let max_width = if is_signed { 64 } else { 63 };
        let width =
            parse_integer(width).filter(|width| (1..=max_width).contains(width)).ok_or(invalid)? as usize;
        let (number, unit) = match offset.strip_prefix(b"#") {
            Some(number) => (number, width),
            None => (offset, 1),
        };
        let offset = parse_integer(number).and_then(|number| usize::try_from(number).ok());
        let offset = offset.and_then(|number| number.checked_mul(unit)).filter(|offset| offset / 8 < MAX_LEN);
        Ok(Self { is_signed, width, offset: offset.ok_or(BAD_OFFSET)? })
    }

    fn limits(&self) -> (i128, i128) {
        if self.is_signed {
            (-(1 << (self.width - 1)), (1 << (self.width - 1)) - 1)
        } else {
            (0, (1 << self.width) - 1)
        }
    }

    /// A given number as this field understands it: an unsigned field takes a negative one for a very large one.
    fn widened(&self, number: i64) -> i128 {
        if self.is_signed { i128::from(number) } else { i128::from(number as u64) }
    }

    /// The lowest bits of a number, as a number of this field.
    fn wrapped(&self, bits: u64) -> i64 {
        let unused = 64 - self.width;
        if self.is_signed { ((bits << unused) as i64) >> unused } else { ((bits << unused) >> unused) as i64 }
    }

    fn read(&self, value: &[u8]) -> i64 {
        let mut bits = 0_u64;
        for at in self.offset..self.offset + self.width {
            let bit = value.get(at / 8).is_some_and(|byte| byte & (0x80 >> (at % 8)) != 0);
            bits = bits << 1 | u64::from(bit);
        }
        self.wrapped(bits)
    }

    fn write(&self, value: &mut Change<'_, Vec<u8>>, number: i64) {
        let first = self.offset / 8;
        let bytes = value.bytes_mut(first, (self.offset + self.width).div_ceil(8) - first);
        for i in 0..self.width {
            let at = self.offset % 8 + i;
            let mask = 0x80 >> (at % 8);
            let is_set = number as u64 >> (self.width - 1 - i) & 1 == 1;
            bytes[at / 8] = if is_set { bytes[at / 8] | mask } else { bytes[at / 8] & !mask };
        }
    }
}
