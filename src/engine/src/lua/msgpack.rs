//! `cmsgpack`, as Redis ships it: lua-cmsgpack 0.4.0.

use std::ffi::c_int;

use super::stack::{Entry, Kind, Outcome, Raised, Stack, native};

/// Pushes the library.
pub(crate) fn push_library(stack: Stack<'_>) {
    let functions: [Entry; 4] = [
        (c"pack", native(pack)),
        (c"unpack", native(unpack)),
        (c"unpack_one", native(unpack_one)),
        (c"unpack_limit", native(unpack_limit)),
    ];
    stack.push_library(&functions);
    for (name, text) in [
        (c"_NAME", "cmsgpack"),
        (c"_VERSION", "lua-cmsgpack 0.4.0"),
        (c"_COPYRIGHT", "Copyright (C) 2012, Redis Ltd."),
        (c"_DESCRIPTION", "MessagePack C implementation for Lua"),
    ] {
        stack.push_bytes(text.as_bytes());
        stack.set_field(-2, name);
    }
}

/// Tables deeper than this become nil.
const MAX_NESTING: u32 = 16;
/// What a value costs, about, in nanoseconds.
const VALUE_COST: usize = 30;

fn pack(stack: Stack<'_>) -> Outcome {
    let count = stack.top();
    if count == 0 {
        return Err(stack.argument_error(0, format_args!("MessagePack pack needs input.")));
    }
    let mut out = Vec::new();
    for argument in 1..=count {
        if !stack.reserve(1) {
            return Err(stack.error(format_args!("stack overflow (in function mp_check)")));
        }
        stack.push_value(argument);
        encode(stack, &mut out, 0)?;
    }
    stack.push_bytes(&out);
    Ok(1)
}

/// Appends the value on top, and pops it.
fn encode(stack: Stack<'_>, out: &mut Vec<u8>, level: u32) -> Result<(), Raised> {
    stack.spend(VALUE_COST)?;
    match stack.kind(-1) {
        Kind::String => {
            let text = stack.bytes(-1).unwrap_or_default();
            stack.check_room(out.len() + text.len())?;
            write_text(text, out);
        }
        Kind::Boolean => out.push(if stack.boolean(-1) { 0xc3 } else { 0xc2 }),
        Kind::Number => write_number(stack.number(-1).unwrap_or(0.0), out),
        Kind::Table if level < MAX_NESTING => encode_table(stack, out, level)?,
        _ => out.push(0xc0),
    }
    stack.pop(1);
    Ok(())
}

fn encode_table(stack: Stack<'_>, out: &mut Vec<u8>, level: u32) -> Result<(), Raised> {
    if !stack.reserve(4) {
        return Err(stack.error(format_args!("stack overflow (in function mp_encode_lua_table)")));
    }
    let (entries, is_array) = survey(stack)?;
    if is_array {
        write_size(entries, 15, 0x90, 0xdc, out);
        for index in 1..=entries {
            stack.raw_get_index(-1, index as i32);
            encode(stack, out, level + 1)?;
        }
        return Ok(());
    }
    write_size(entries, 15, 0x80, 0xde, out);
    stack.push_nil();
    while stack.next(-2) {
        stack.push_value(-2);
        encode(stack, out, level + 1)?;
        encode(stack, out, level + 1)?;
    }
    Ok(())
}

/// How many entries the table on top has, and whether their keys are exactly 1 to that number.
fn survey(stack: Stack<'_>) -> Result<(u32, bool), Raised> {
    let (mut count, mut max, mut is_array) = (0_u32, 0.0_f64, true);
    stack.push_nil();
    while stack.next(-2) {
        stack.spend(VALUE_COST)?;
        stack.pop(1);
        let key = if stack.kind(-1) == Kind::Number { stack.number(-1).unwrap_or(0.0) } else { 0.0 };
        is_array &= key > 0.0 && key.floor() == key;
        max = max.max(key);
        count += 1;
    }
    Ok((count, is_array && max == f64::from(count)))
}

fn write_text(text: &[u8], out: &mut Vec<u8>) {
    match text.len() {
        len @ 0..32 => out.push(0xa0 | len as u8),
        len @ 32..=0xff => out.extend_from_slice(&[0xd9, len as u8]),
        len @ 0x100..=0xffff => {
            out.push(0xda);
            out.extend_from_slice(&(len as u16).to_be_bytes());
        }
        len => {
            out.push(0xdb);
            out.extend_from_slice(&(len as u32).to_be_bytes());
        }
    }
    out.extend_from_slice(text);
}

fn write_number(number: f64, out: &mut Vec<u8>) {
    const TWO_TO_63: f64 = 9_223_372_036_854_775_808.0;
    if number.trunc() == number && (-TWO_TO_63..TWO_TO_63).contains(&number) {
        return write_integer(number as i64, out);
    }
    let short = number as f32;
    if f64::from(short) == number {
        out.push(0xca);
        out.extend_from_slice(&short.to_be_bytes());
    } else {
        out.push(0xcb);
        out.extend_from_slice(&number.to_be_bytes());
    }
}

fn write_integer(number: i64, out: &mut Vec<u8>) {
    match number {
        -32..=0x7f => out.push(number as u8),
        -0x80..=-33 => out.extend_from_slice(&[0xd0, number as u8]),
        -0x8000..=-0x81 => {
            out.push(0xd1);
            out.extend_from_slice(&(number as i16).to_be_bytes());
        }
        -0x8000_0000..=-0x8001 => {
            out.push(0xd2);
            out.extend_from_slice(&(number as i32).to_be_bytes());
        }
        i64::MIN..=-0x8000_0001 => {
            out.push(0xd3);
            out.extend_from_slice(&number.to_be_bytes());
        }
        0x80..=0xff => out.extend_from_slice(&[0xcc, number as u8]),
        0x100..=0xffff => {
            out.push(0xcd);
            out.extend_from_slice(&(number as u16).to_be_bytes());
        }
        0x1_0000..=0xffff_ffff => {
            out.push(0xce);
            out.extend_from_slice(&(number as u32).to_be_bytes());
        }
        _ => {
            out.push(0xcf);
            out.extend_from_slice(&number.to_be_bytes());
        }
    }
}

/// Writes the size of a table: in the tag itself up to `most_in_tag`, else in 16 or 32 bits after `long_tag`.
fn write_size(size: u32, most_in_tag: u32, tag: u8, long_tag: u8, out: &mut Vec<u8>) {
    if size <= most_in_tag {
        out.push(tag | size as u8);
    } else if let Ok(size) = u16::try_from(size) {
        out.push(long_tag);
        out.extend_from_slice(&size.to_be_bytes());
    } else {
        out.push(long_tag + 1);
        out.extend_from_slice(&size.to_be_bytes());
    }
}

fn unpack(stack: Stack<'_>) -> Outcome {
    unpack_some(stack, 0, 0)
}

fn unpack_one(stack: Stack<'_>) -> Outcome {
    let offset = stack.optional_integer(2, 0)?;
    unpack_some(stack, 1, offset)
}

fn unpack_limit(stack: Stack<'_>) -> Outcome {
    let limit = stack.check_integer(2)?;
    let offset = stack.optional_integer(3, 0)?;
    unpack_some(stack, limit, offset)
}

/// Pushes up to `limit` values from `offset` on, with where to go on (-1 at the end) in front; all values, and
/// nothing in front, if both are 0.
fn unpack_some(stack: Stack<'_>, limit: i64, offset: i64) -> Outcome {
    let data = stack.check_bytes(1)?;
    stack.set_top(1);
    let len = data.len();
    if offset < 0 || limit < 0 {
        return Err(stack
            .error(format_args!("Invalid request to unpack with offset of {offset} and limit of {len}.")));
    }
    if offset as usize > len {
        return Err(stack.error(format_args!("Start offset {offset} greater than input length {len}.")));
    }
    let wants_all = limit == 0 && offset == 0;
    let mut decoder = Decoder { stack, data, at: offset as usize };
    let mut count: c_int = 0;
    while decoder.at < len && (wants_all || i64::from(count) < limit) {
        decoder.value()?;
        count += 1;
    }
    if !wants_all {
        if !stack.reserve(1) {
            return Err(decoder.too_many());
        }
        stack.push_number(if decoder.at == len { -1.0 } else { decoder.at as f64 });
        stack.insert(2);
        count += 1;
    }
    Ok(count)
}

struct Decoder<'h, 'a> {
    stack: Stack<'h>,
    data: &'a [u8],
    at: usize,
}

impl<'a> Decoder<'_, 'a> {
    /// Pushes the next value.
    fn value(&mut self) -> Result<(), Raised> {
        let stack = self.stack;
        stack.spend(VALUE_COST)?;
        if !stack.reserve(1) {
            return Err(self.too_many());
        }
        let [tag] = self.fixed()?;
        match tag {
            0x00..=0x7f => stack.push_number(f64::from(tag)),
            0xe0..=0xff => stack.push_number(f64::from(tag as i8)),
            0x80..=0x8f => return self.map(u32::from(tag & 0xf)),
            0x90..=0x9f => return self.array(u32::from(tag & 0xf)),
            0xa0..=0xbf => self.text(u32::from(tag & 0x1f))?,
            0xc0 => stack.push_nil(),
            0xc2 => stack.push_boolean(false),
            0xc3 => stack.push_boolean(true),
            0xca => stack.push_number(f64::from(f32::from_be_bytes(self.fixed()?))),
            0xcb => stack.push_number(f64::from_be_bytes(self.fixed()?)),
            0xcc => stack.push_number(f64::from(u8::from_be_bytes(self.fixed()?))),
            0xcd => stack.push_number(f64::from(u16::from_be_bytes(self.fixed()?))),
            0xce => stack.push_number(f64::from(u32::from_be_bytes(self.fixed()?))),
            // Redis pushes these as signed integers too.
            0xcf | 0xd3 => stack.push_integer(i64::from_be_bytes(self.fixed()?)),
            0xd0 => stack.push_number(f64::from(i8::from_be_bytes(self.fixed()?))),
            0xd1 => stack.push_number(f64::from(i16::from_be_bytes(self.fixed()?))),
            0xd2 => stack.push_number(f64::from(i32::from_be_bytes(self.fixed()?))),
            0xd9 => {
                let [len] = self.fixed()?;
                self.text(u32::from(len))?;
            }
            0xda => {
                let len = u16::from_be_bytes(self.fixed()?);
                self.text(u32::from(len))?;
            }
            0xdb => {
                let len = u32::from_be_bytes(self.fixed()?);
                self.text(len)?;
            }
            0xdc => {
                let len = u16::from_be_bytes(self.fixed()?);
                return self.array(u32::from(len));
            }
            0xdd => {
                let len = u32::from_be_bytes(self.fixed()?);
                return self.array(len);
            }
            0xde => {
                let len = u16::from_be_bytes(self.fixed()?);
                return self.map(u32::from(len));
            }
            0xdf => {
                let len = u32::from_be_bytes(self.fixed()?);
                return self.map(len);
            }
            _ => return Err(stack.error(format_args!("Bad data format in input."))),
        }
        Ok(())
    }

    fn array(&mut self, len: u32) -> Result<(), Raised> {
        if !self.stack.reserve(2) {
            return Err(self.too_many());
        }
        self.stack.push_table(0, 0);
        for index in 1..=i64::from(len) {
            self.value()?;
            self.stack.raw_set_index(-2, index as i32);
        }
        Ok(())
    }

    fn map(&mut self, len: u32) -> Result<(), Raised> {
        let stack = self.stack;
        if !stack.reserve(3) {
            return Err(self.too_many());
        }
        stack.push_table(0, 0);
        for _ in 0..len {
            self.value()?;
            let bad_key = match stack.kind(-1) {
                Kind::Nil => Some("nil"),
                Kind::Number if stack.number(-1).is_some_and(f64::is_nan) => Some("NaN"),
                _ => None,
            };
            self.value()?;
            if let Some(key) = bad_key {
                return Err(stack.error_bytes(format!("table index is {key}").as_bytes()));
            }
            stack.raw_set(-3);
        }
        Ok(())
    }

    fn text(&mut self, len: u32) -> Result<(), Raised> {
        let text = self.take(len as usize)?;
        self.stack.push_bytes(text);
        Ok(())
    }

    fn fixed<const N: usize>(&mut self) -> Result<[u8; N], Raised> {
        let mut bytes = [0; N];
        bytes.copy_from_slice(self.take(N)?);
        Ok(bytes)
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8], Raised> {
        match self.data.get(self.at..).and_then(|rest| rest.get(..len)) {
            Some(taken) => {
                self.at += len;
                Ok(taken)
            }
            None => Err(self.stack.error(format_args!("Missing bytes in input."))),
        }
    }

    fn too_many(&self) -> Raised {
        self.stack.error(format_args!(
            "stack overflow (too many return values at once; use unpack_one or unpack_limit instead.)"
        ))
    }
}
