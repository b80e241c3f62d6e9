//! Reading a command's arguments, with Redis's strictness and error texts.

use super::failure::{Failure, out_of_range};
use super::number;

/// Whether an argument is this keyword, in any case.
pub(super) fn is(argument: &[u8], keyword: &str) -> bool {
    argument.eq_ignore_ascii_case(keyword.as_bytes())
}

/// A signed 64-bit number.
pub(super) fn integer(argument: &[u8]) -> Result<i64, Failure> {
    number::parse_integer(argument).ok_or(Failure::NOT_AN_INTEGER)
}

/// A number of at least `least`; `text` answers everything else.
pub(super) fn at_least(argument: &[u8], least: i64, text: &'static str) -> Result<usize, Failure> {
    let number = number::parse_integer(argument).filter(|number| *number >= least);
    number.map(|number| number as usize).ok_or(Failure::fixed(text))
}

/// A number that is not negative.
pub(super) fn positive(argument: &[u8]) -> Result<usize, Failure> {
    number::parse_integer(argument).filter(|n| *n >= 0).map(|n| n as usize).ok_or(Failure::NOT_POSITIVE)
}

/// A count whose sign carries a meaning; the least 64-bit number has no opposite and is refused.
pub(super) fn signed_count(argument: &[u8]) -> Result<i64, Failure> {
    let count = integer(argument)?;
    if count == i64::MIN {
        return Err(out_of_range(-i64::MAX, i64::MAX));
    }
    Ok(count)
}

/// A floating-point number; infinities are numbers here, NaN is not.
pub(super) fn float(argument: &[u8]) -> Result<f64, Failure> {
    number::parse_float(argument).ok_or(Failure::NOT_A_FLOAT)
}

/// The range that two positions name in a sequence of `len`, where negative ones count from the end; none if empty.
pub(super) fn span(start: i64, stop: i64, len: usize) -> Option<std::ops::Range<usize>> {
    let len = len as i64;
    let from_end = |position: i64| if position < 0 { position.saturating_add(len) } else { position };
    let start = from_end(start).max(0);
    let stop = from_end(stop).min(len - 1);
    (start <= stop && start < len).then(|| start as usize..stop as usize + 1)
}

/// The keys that follow their number at `at`, and the index after them; `text` answers a number below 1.
pub(super) fn counted_keys<'a, 'b>(
    arguments: &'a [&'b [u8]],
    at: usize,
    text: &'static str,
) -> Result<(&'a [&'b [u8]], usize), Failure> {
    let count = at_least(arguments[at], 1, text)?;
    let end = (at + 1).checked_add(count).filter(|end| *end <= arguments.len()).ok_or(Failure::SYNTAX)?;
    Ok((&arguments[at + 1..end], end))
}
