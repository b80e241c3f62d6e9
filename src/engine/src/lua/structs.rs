//! `struct`: Lua values in C's binary layouts, as Redis ships it.

use std::ffi::c_int;

use super::stack::{Entry, Kind, Outcome, Raised, Stack, native};

/// The library.
pub(super) fn functions() -> [Entry; 3] {
    [(c"pack", native(pack)), (c"unpack", native(unpack)), (c"size", native(size))]
}

/// Alignment of a plain `!`.
const MAX_ALIGNMENT: usize = 8;
const MAX_INTEGER_SIZE: usize = 32;

/// Reads a format one option at a time and keeps what its control options set.
struct Format<'h, 'a> {
    stack: Stack<'h>,
    rest: &'a [u8],
    is_big_endian: bool,
    alignment: usize,
}

struct Item {
    option: u8,
    size: usize,
    /// Bytes to skip in front of it.
    padding: usize,
}

impl<'h, 'a> Format<'h, 'a> {
    fn new(stack: Stack<'h>, text: &'a [u8]) -> Self {
        // C reads the format up to a nul.
        let end = text.iter().position(|&byte| byte == 0).unwrap_or(text.len());
        Self { stack, rest: &text[..end], is_big_endian: cfg!(target_endian = "big"), alignment: 1 }
    }

    /// The next option, for data that has `offset` bytes so far.
    fn next(&mut self, offset: usize) -> Result<Option<Item>, Raised> {
        let Some((&option, rest)) = self.rest.split_first() else { return Ok(None) };
        self.rest = rest;
        self.stack.spend(10)?;
        let size = match option {
            b'b' | b'B' | b'x' => 1,
            b'h' | b'H' => 2,
            b'f' => 4,
            b'l' | b'L' | b'T' | b'd' => 8,
            b'c' => self.count(1)?,
            b'i' | b'I' => {
                let size = self.count(4)?;
                if size > MAX_INTEGER_SIZE {
                    return Err(self.stack.error(format_args!(
                        "integral size {size} is larger than limit of {MAX_INTEGER_SIZE}"
                    )));
                }
                size
            }
            _ => 0,
        };
        let padding = match size.min(self.alignment) {
            aligned if aligned > 0 && option != b'c' => {
                // As C computes it, which for sizes that are no power of two is not quite padding.
                aligned.wrapping_sub(offset & (aligned - 1)) & (aligned - 1)
            }
            _ => 0,
        };
        Ok(Some(Item { option, size, padding }))
    }

    fn count(&mut self, default: usize) -> Result<usize, Raised> {
        if !self.rest.first().is_some_and(u8::is_ascii_digit) {
            return Ok(default);
        }
        let mut count = 0_i32;
        while let Some((digit @ b'0'..=b'9', rest)) = self.rest.split_first() {
            let digit = i32::from(digit - b'0');
            count = match count.checked_mul(10).and_then(|count| count.checked_add(digit)) {
                Some(count) => count,
                None => return Err(self.stack.error(format_args!("integral size overflow"))),
            };
            self.rest = rest;
        }
        Ok(count as usize)
    }

    fn control(&mut self, option: u8) -> Result<(), Raised> {
        match option {
            b' ' => {}
            b'>' => self.is_big_endian = true,
            b'<' => self.is_big_endian = false,
            b'!' => {
                let alignment = self.count(MAX_ALIGNMENT)?;
                if !alignment.is_power_of_two() {
                    return Err(self.stack.error(format_args!("alignment {alignment} is not a power of 2")));
                }
                self.alignment = alignment;
            }
            other => {
                let other = char::from(other);
                return Err(self.stack.argument_error(1, format_args!("invalid format option '{other}'")));
            }
        }
        Ok(())
    }

    /// Puts little-endian bytes into the order in force, or back.
    fn order(&self, bytes: &mut [u8]) {
        if self.is_big_endian {
            bytes.reverse();
        }
    }
}

fn pack(stack: Stack<'_>) -> Outcome {
    let mut format = Format::new(stack, stack.check_bytes(1)?);
    // A nil behind the arguments, which a missing argument then is.
    stack.push_nil();
    let mut out = Vec::new();
    let mut argument = 2;
    while let Some(item) = format.next(out.len())? {
        out.resize(out.len() + item.padding, 0);
        match item.option {
            b'b' | b'B' | b'h' | b'H' | b'l' | b'L' | b'T' | b'i' | b'I' => {
                let mut bytes = [0; MAX_INTEGER_SIZE];
                bytes[..8].copy_from_slice(&to_integer(stack.check_number(argument)?).to_le_bytes());
                let bytes = &mut bytes[..item.size];
                format.order(bytes);
                out.extend_from_slice(bytes);
                argument += 1;
            }
            b'x' => out.push(0),
            b'f' => {
                let mut bytes = (stack.check_number(argument)? as f32).to_le_bytes();
                format.order(&mut bytes);
                out.extend_from_slice(&bytes);
                argument += 1;
            }
            b'd' => {
                let mut bytes = stack.check_number(argument)?.to_le_bytes();
                format.order(&mut bytes);
                out.extend_from_slice(&bytes);
                argument += 1;
            }
            b'c' | b's' => {
                let text = stack.check_bytes(argument)?;
                argument += 1;
                let size = if item.size == 0 { text.len() } else { item.size };
                if text.len() < size {
                    return Err(stack.argument_error(argument, format_args!("string too short")));
                }
                stack.check_room(out.len() + size)?;
                out.extend_from_slice(&text[..size]);
                if item.option == b's' {
                    out.push(0);
                }
            }
            option => format.control(option)?,
        }
    }
    stack.push_bytes(&out);
    Ok(1)
}

fn unpack(stack: Stack<'_>) -> Outcome {
    let mut format = Format::new(stack, stack.check_bytes(1)?);
    let data = stack.check_bytes(2)?;
    let start = stack.optional_integer(3, 1)?;
    if start < 1 {
        return Err(stack.argument_error(3, format_args!("offset must be 1 or greater")));
    }
    let mut at = (start - 1) as usize;
    let mut count: c_int = 0;
    stack.set_top(2);
    while let Some(item) = format.next(at)? {
        at = at.saturating_add(item.padding);
        let mut field = take(stack, data, at, item.size)?;
        if !stack.reserve(2) {
            return Err(stack.error(format_args!("stack overflow (too many results)")));
        }
        let mut size = item.size;
        match item.option {
            b'b' | b'B' | b'h' | b'H' | b'l' | b'L' | b'T' | b'i' | b'I' => {
                let is_signed = item.option.is_ascii_lowercase();
                stack.push_number(from_integer(field, format.is_big_endian, is_signed));
            }
            b'x' => {
                at += size;
                continue;
            }
            b'f' => {
                let mut bytes = [0; 4];
                bytes.copy_from_slice(field);
                format.order(&mut bytes);
                stack.push_number(f64::from(f32::from_le_bytes(bytes)));
            }
            b'd' => {
                let mut bytes = [0; 8];
                bytes.copy_from_slice(field);
                format.order(&mut bytes);
                stack.push_number(f64::from_le_bytes(bytes));
            }
            b'c' => {
                if size == 0 {
                    let previous = if count > 0 { stack.number(-1) } else { None };
                    let Some(previous) = previous else {
                        return Err(stack.error(format_args!("format 'c0' needs a previous size")));
                    };
                    stack.pop(1);
                    count -= 1;
                    // A negative size is a huge one for C.
                    size = if previous < 0.0 { usize::MAX } else { previous as usize };
                    field = take(stack, data, at, size)?;
                }
                stack.push_bytes(field);
            }
            b's' => {
                let rest = &data[at.min(data.len())..];
                let Some(len) = rest.iter().position(|&byte| byte == 0) else {
                    return Err(stack.error(format_args!("unfinished string in data")));
                };
                stack.push_bytes(&rest[..len]);
                size = len + 1;
            }
            option => {
                format.control(option)?;
                continue;
            }
        }
        at += size;
        count += 1;
    }
    stack.push_number((at + 1) as f64);
    Ok(count + 1)
}

fn size(stack: Stack<'_>) -> Outcome {
    let mut format = Format::new(stack, stack.check_bytes(1)?);
    let mut total = 0_usize;
    while let Some(item) = format.next(total)? {
        total = total.saturating_add(item.padding).saturating_add(item.size);
        match item.option {
            b's' => return Err(stack.argument_error(1, format_args!("option 's' has no fixed size"))),
            b'c' if item.size == 0 => {
                return Err(stack.argument_error(1, format_args!("option 'c0' has no fixed size")));
            }
            option if !option.is_ascii_alphanumeric() => format.control(option)?,
            _ => {}
        }
    }
    stack.push_number(total as f64);
    Ok(1)
}

fn take<'a>(stack: Stack<'_>, data: &'a [u8], at: usize, size: usize) -> Result<&'a [u8], Raised> {
    match at.checked_add(size).and_then(|end| data.get(at..end)) {
        Some(field) if stack.kind(2) == Kind::String => Ok(field),
        _ => Err(stack.argument_error(2, format_args!("data string too short"))),
    }
}

/// C's conversion on the machines at hand: what does not fit becomes the lowest integer, or 0 above 2^64.
fn to_integer(number: f64) -> u64 {
    const TWO_TO_63: f64 = 9_223_372_036_854_775_808.0;
    if number.is_nan() || number < -TWO_TO_63 {
        1 << 63
    } else if number < TWO_TO_63 {
        number as i64 as u64
    } else if number < TWO_TO_63 * 2.0 {
        number as u64
    } else {
        0
    }
}

/// Bytes beyond the eighth are ignored.
fn from_integer(field: &[u8], is_big_endian: bool, is_signed: bool) -> f64 {
    let mut value = 0_u64;
    let mut add = |index: usize, byte: u8| {
        if index < 8 {
            value |= u64::from(byte) << (index * 8);
        }
    };
    if is_big_endian {
        field.iter().rev().enumerate().for_each(|(index, &byte)| add(index, byte));
    } else {
        field.iter().enumerate().for_each(|(index, &byte)| add(index, byte));
    }
    if !is_signed {
        return value as f64;
    }
    let unused = 64_u32.saturating_sub(field.len() as u32 * 8);
    let value = if unused == 64 { 0 } else { (value << unused) as i64 >> unused };
    value as f64
}
