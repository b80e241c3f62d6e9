//! Commands on the bits of strings: bit 0 is the highest of the first byte, and beyond the end all are 0.

use std::ops::Range;

use super::super::keyspace::Keyspace;
use super::super::reply::ReplyBuffer;
use super::arguments::{integer, is};
use super::failure::{Failure, Outcome};
use super::number::parse_integer;
use super::strings::{MAX_LEN, ZERO_NS};

/// Nanoseconds for each byte that is looked at.
const LOOK_NS: f64 = 0.8;
/// The same for each byte of each source that is combined with others.
const COMBINE_NS: f64 = 1.5;

pub(super) const BAD_OFFSET: Failure = Failure::fixed("ERR bit offset is not an integer or out of range");

/// `SETBIT key offset value`: the bit before.
pub(super) fn setbit(keyspace: &mut Keyspace, arguments: &[&[u8]], reply: &mut ReplyBuffer) -> Outcome {
    let offset = parse_offset(arguments[2])?;
    let bit = parse_integer(arguments[3]).filter(|bit| matches!(bit, 0 | 1));
    let bit = bit.ok_or(Failure::fixed("ERR bit is not an integer or out of range"))?;
    let len = keyspace.read::<Vec<u8>>(arguments[1])?.map_or(0, Vec::len);
    keyspace.need((offset / 8 + 1).saturating_sub(len))?;
    keyspace.allow_work((offset / 8 + 1).saturating_sub(len), ZERO_NS)?;
    let mut value = keyspace.write_or_create::<Vec<u8>>(arguments[1])?;
    let byte = &mut value.bytes_mut(offset / 8, 1)[0];
    let mask = 0x80 >> (offset % 8);
    reply.integer(i64::from(*byte & mask != 0));
    *byte = if bit == 1 { *byte | mask } else { *byte & !mask };
    Ok(())
}

/// `GETBIT key offset`
pub(super) fn getbit(keyspace: &mut Keyspace, arguments: &[&[u8]], reply: &mut ReplyBuffer) -> Outcome {
    let offset = parse_offset(arguments[2])?;
    let value = keyspace.read::<Vec<u8>>(arguments[1])?.map_or(&[][..], Vec::as_slice);
    let is_set = value.get(offset / 8).is_some_and(|byte| is_set(*byte, offset % 8));
    reply.integer(i64::from(is_set));
    Ok(())
}

fn parse_offset(text: &[u8]) -> Result<usize, Failure> {
    let offset = parse_integer(text).and_then(|offset| usize::try_from(offset).ok());
    offset.filter(|offset| offset / 8 < MAX_LEN).ok_or(BAD_OFFSET)
}

fn is_set(byte: u8, bit: usize) -> bool {
    byte & (0x80 >> bit) != 0
}

/// `BITCOUNT key [start [end [BYTE | BIT]]]`
pub(super) fn bitcount(keyspace: &mut Keyspace, arguments: &[&[u8]], reply: &mut ReplyBuffer) -> Outcome {
    let span = BitSpan::parse(&arguments[2..])?;
    let value = keyspace.read::<Vec<u8>>(arguments[1])?.map_or(&[][..], Vec::as_slice);
    let is_backwards = span.start < 0 && span.end.is_some_and(|end| end < 0 && span.start > end);
    let bits = if is_backwards { 0..0 } else { span.bits(value.len()) };
    keyspace.allow_work(bits.len() / 8, LOOK_NS)?;
    reply.integer(count_bits(value, bits) as i64);
    Ok(())
}

/// What stands between `start` and `end`, both of which may be missing.
struct BitSpan {
    start: i64,
    end: Option<i64>,
    in_bits: bool,
}

impl BitSpan {
    fn parse(arguments: &[&[u8]]) -> Result<Self, Failure> {
        if arguments.len() > 3 {
            return Err(Failure::SYNTAX);
        }
        let start = arguments.first().map_or(Ok(0), |start| integer(start))?;
        let in_bits = is_in_bits(arguments.get(2..).unwrap_or_default())?;
        let end = arguments.get(1).map(|end| integer(end)).transpose()?;
        Ok(Self { start, end, in_bits })
    }

    fn bits(&self, len: usize) -> Range<usize> {
        bit_range(self.start, self.end.unwrap_or(-1), self.in_bits, len)
    }
}

/// Whether a range is given in bits rather than bytes.
fn is_in_bits(unit: &[&[u8]]) -> Result<bool, Failure> {
    match unit {
        [] => Ok(false),
        [unit] if is(unit, "byte") => Ok(false),
        [unit] if is(unit, "bit") => Ok(true),
        _ => Err(Failure::SYNTAX),
    }
}

/// The bits between two positions, both included; negative ones count from the end. A position before the first one
/// is the first one.
fn bit_range(start: i64, end: i64, in_bits: bool, len: usize) -> Range<usize> {
    let unit = if in_bits { 1 } else { 8 };
    let total = (len * 8 / unit) as i64;
    let from_end =
        |position: i64| if position < 0 { position.saturating_add(total).max(0) } else { position };
    let start = from_end(start);
    let end = from_end(end).min(total - 1);
    if start > end { 0..0 } else { start as usize * unit..(end as usize + 1) * unit }
}

fn count_bits(value: &[u8], bits: Range<usize>) -> usize {
    let whole = bits.start.div_ceil(8)..bits.end / 8;
    if whole.start >= whole.end {
        return bits.filter(|bit| is_set(value[bit / 8], bit % 8)).count();
    }
    let edges = (bits.start..whole.start * 8).chain(whole.end * 8..bits.end);
    let at_edges = edges.filter(|bit| is_set(value[bit / 8], bit % 8)).count();
    let words = value[whole].chunks(8).map(|chunk| {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        u64::from_ne_bytes(word).count_ones() as usize
    });
    at_edges + words.sum::<usize>()
}

/// `BITPOS key bit [start [end [BYTE | BIT]]]`
pub(super) fn bitpos(keyspace: &mut Keyspace, arguments: &[&[u8]], reply: &mut ReplyBuffer) -> Outcome {
    let wanted = match integer(arguments[2])? {
        0 => false,
        1 => true,
        _ => return Err(Failure::fixed("ERR The bit argument must be 1 or 0.")),
    };
    let span = BitSpan::parse(&arguments[3..])?;
    let Some(value) = keyspace.read::<Vec<u8>>(arguments[1])? else {
        reply.integer(if wanted { -1 } else { 0 });
        return Ok(());
    };
    let (range, is_open) = (span.bits(value.len()), span.end.is_none());
    keyspace.allow_work(range.len() / 8, LOOK_NS)?;
    let is_empty = range.is_empty();
    let found = find_bit(value, range, wanted).map(|bit| bit as i64);
    // Without a given end, zeros go on after the string.
    let beyond = if !wanted && is_open && !is_empty { value.len() as i64 * 8 } else { -1 };
    reply.integer(found.unwrap_or(beyond));
    Ok(())
}

fn find_bit(value: &[u8], range: Range<usize>, wanted: bool) -> Option<usize> {
    let boring = if wanted { 0x00 } else { 0xff };
    let mut bit = range.start;
    while bit < range.end {
        if bit.is_multiple_of(8) && value[bit / 8] == boring {
            let rest = &value[bit / 8..range.end.div_ceil(8)];
            bit += 8 * rest.iter().position(|byte| *byte != boring).unwrap_or(rest.len());
            continue;
        }
        if is_set(value[bit / 8], bit % 8) == wanted {
            return Some(bit);
        }
        bit += 1;
    }
    None
}

/// `BITOP AND | OR | XOR | NOT destination key [key …]`
pub(super) fn bitop(keyspace: &mut Keyspace, arguments: &[&[u8]], reply: &mut ReplyBuffer) -> Outcome {
    let (name, keys) = (arguments[1], &arguments[3..]);
    let is_not = is(name, "not");
    let combine: fn(u8, u8) -> u8 = if is(name, "and") {
        |a, b| a & b
    } else if is(name, "or") {
        |a, b| a | b
    } else if is(name, "xor") {
        |a, b| a ^ b
    } else if is_not {
        |a, _| a
    } else {
        return Err(Failure::SYNTAX);
    };
    if is_not && keys.len() != 1 {
        return Err(Failure::fixed("ERR BITOP NOT must be called with a single source key."));
    }
    let sources = keys.iter().map(|key| Ok(keyspace.read::<Vec<u8>>(key)?.map_or(&[][..], Vec::as_slice)));
    let sources = sources.collect::<Result<Vec<&[u8]>, Failure>>()?;
    let len = sources.iter().map(|source| source.len()).max().unwrap_or(0);
    keyspace.need(len)?;
    keyspace.allow_work(len, ZERO_NS)?;
    keyspace.allow_work(len.saturating_mul(sources.len()), COMBINE_NS)?;
    let mut result = Vec::with_capacity(len);
    result.extend_from_slice(sources.first().copied().unwrap_or_default());
    result.resize(len, 0);
    for source in &sources[1..] {
        let (both, alone) = result.split_at_mut(source.len());
        both.iter_mut().zip(*source).for_each(|(byte, other)| *byte = combine(*byte, *other));
        alone.iter_mut().for_each(|byte| *byte = combine(*byte, 0));
    }
    if is_not {
        result.iter_mut().for_each(|byte| *byte = !*byte);
    }
    reply.integer(len as i64);
    if len == 0 {
        keyspace.remove(arguments[2]);
    } else {
        keyspace.replace(arguments[2], result);
    }
    Ok(())
}
