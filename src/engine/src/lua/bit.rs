//! `bit`: operations on 32-bit integers, as LuaBitOp has them.

use std::ffi::c_int;

use super::stack::{Entry, Outcome, Raised, Stack, native};

/// The library.
pub(super) fn functions() -> [Entry; 12] {
    [
        (c"tobit", native(|stack: Stack<'_>| unary(stack, |bits| bits))),
        (c"bnot", native(|stack: Stack<'_>| unary(stack, |bits| !bits))),
        (c"bswap", native(|stack: Stack<'_>| unary(stack, u32::swap_bytes))),
        (c"band", native(|stack: Stack<'_>| fold(stack, |left, right| left & right))),
        (c"bor", native(|stack: Stack<'_>| fold(stack, |left, right| left | right))),
        (c"bxor", native(|stack: Stack<'_>| fold(stack, |left, right| left ^ right))),
        (c"lshift", native(|stack: Stack<'_>| shift(stack, |bits, count| bits << count))),
        (c"rshift", native(|stack: Stack<'_>| shift(stack, |bits, count| bits >> count))),
        (c"arshift", native(|stack: Stack<'_>| shift(stack, |bits, count| (bits as i32 >> count) as u32))),
        (c"rol", native(|stack: Stack<'_>| shift(stack, u32::rotate_left))),
        (c"ror", native(|stack: Stack<'_>| shift(stack, u32::rotate_right))),
        (c"tohex", native(tohex)),
    ]
}

fn unary(stack: Stack<'_>, operation: fn(u32) -> u32) -> Outcome {
    let bits = argument(stack, 1)?;
    answer(stack, operation(bits))
}

fn fold(stack: Stack<'_>, operation: fn(u32, u32) -> u32) -> Outcome {
    let mut bits = argument(stack, 1)?;
    for index in (2..=stack.top()).rev() {
        bits = operation(bits, argument(stack, index)?);
    }
    answer(stack, bits)
}

fn shift(stack: Stack<'_>, operation: fn(u32, u32) -> u32) -> Outcome {
    let bits = argument(stack, 1)?;
    let count = argument(stack, 2)? & 31;
    answer(stack, operation(bits, count))
}

fn tohex(stack: Stack<'_>) -> Outcome {
    let bits = argument(stack, 1)?;
    let digits = if stack.top() < 2 { 8 } else { argument(stack, 2)? as i32 };
    let text = if digits < 0 { format!("{bits:08X}") } else { format!("{bits:08x}") };
    let shown = digits.unsigned_abs().min(8) as usize;
    stack.push_bytes(&text.as_bytes()[8 - shown..]);
    Ok(1)
}

/// Adding 2^52 + 2^51 leaves the number's low 32 bits, rounded, in the low bits of the double.
fn argument(stack: Stack<'_>, index: c_int) -> Result<u32, Raised> {
    let number = stack.check_number(index)?;
    Ok((number + 6_755_399_441_055_744.0).to_bits() as u32)
}

fn answer(stack: Stack<'_>, bits: u32) -> Outcome {
    stack.push_number(f64::from(bits as i32));
    Ok(1)
}
