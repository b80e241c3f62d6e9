//! `table`, with bounded work and without a way around read-only tables.

use std::ffi::c_int;

use super::number::write_general;
use super::protect::{check_writable, unveil};
use super::stack::{Entry, Kind, Outcome, Raised, Stack, native};

/// What replaces Lua's own.
pub(super) fn functions() -> [Entry; 7] {
    [
        (c"concat", native(concat)),
        (c"insert", native(insert)),
        (c"remove", native(remove)),
        (c"sort", native(sort)),
        (c"maxn", native(maxn)),
        (c"foreach", native(foreach)),
        (c"foreachi", native(foreachi)),
    ]
}

/// Moving or comparing one element costs about as much.
const ELEMENT_COST: usize = 10;

fn concat(stack: Stack<'_>) -> Outcome {
    let separator = match stack.kind(2) {
        Kind::None | Kind::Nil => &[],
        _ => stack.check_bytes(2)?,
    };
    stack.check_kind(1, Kind::Table)?;
    let first = stack.optional_int(3, 1)?;
    let last = match stack.kind(4) {
        Kind::None | Kind::Nil => stack.length(1) as i32,
        _ => stack.check_int(4)?,
    };
    let mut out = stack.host().scratch.borrow_mut();
    out.clear();
    for index in i64::from(first)..=i64::from(last) {
        stack.raw_get_index(1, index as i32);
        match stack.kind(-1) {
            Kind::Number => write_general(stack.number(-1).unwrap_or(0.0), &mut out),
            Kind::String => out.extend_from_slice(stack.bytes(-1).unwrap_or_default()),
            kind => {
                let kind = if kind == Kind::None { "nil" } else { kind.name() };
                return Err(stack
                    .error(format_args!("invalid value ({kind}) at index {index} in table for 'concat'")));
            }
        }
        stack.pop(1);
        if index < i64::from(last) {
            out.extend_from_slice(separator);
        }
        stack.spend(ELEMENT_COST + separator.len() / 16)?;
        if out.len() > 65536 {
            stack.check_room(out.len())?;
        }
    }
    stack.push_bytes(&out);
    Ok(1)
}

fn insert(stack: Stack<'_>) -> Outcome {
    let mut end = length(stack)?.wrapping_add(1);
    check_writable(stack, 1)?;
    let position = match stack.top() {
        2 => end,
        3 => {
            let position = stack.check_int(2)?;
            end = end.max(position);
            let mut index = end;
            while index > position {
                stack.spend(ELEMENT_COST)?;
                stack.raw_get_index(1, index - 1);
                stack.raw_set_index(1, index);
                index -= 1;
            }
            position
        }
        _ => return Err(stack.error(format_args!("wrong number of arguments to 'insert'"))),
    };
    stack.raw_set_index(1, position);
    Ok(0)
}

fn remove(stack: Stack<'_>) -> Outcome {
    let end = length(stack)?;
    check_writable(stack, 1)?;
    let position = stack.optional_int(2, end)?;
    if !(1 <= position && position <= end) {
        return Ok(0);
    }
    stack.raw_get_index(1, position);
    for index in position..end {
        stack.spend(ELEMENT_COST)?;
        stack.raw_get_index(1, index + 1);
        stack.raw_set_index(1, index);
    }
    stack.push_nil();
    stack.raw_set_index(1, end);
    Ok(1)
}

fn maxn(stack: Stack<'_>) -> Outcome {
    stack.check_kind(1, Kind::Table)?;
    let mut max = 0.0_f64;
    stack.push_nil();
    while stack.next(1) {
        stack.spend(ELEMENT_COST)?;
        stack.pop(1);
        if stack.kind(-1) == Kind::Number {
            max = max.max(stack.number(-1).unwrap_or(0.0));
        }
    }
    stack.push_number(max);
    Ok(1)
}

fn foreach(stack: Stack<'_>) -> Outcome {
    stack.check_kind(1, Kind::Table)?;
    stack.check_kind(2, Kind::Function)?;
    unveil(stack, 1);
    stack.push_nil();
    // The callback may drop the key that comes next, so Lua has to check it.
    while stack.next_checked(1)? {
        stack.spend(ELEMENT_COST)?;
        stack.push_value(2);
        stack.push_value(-3);
        stack.push_value(-3);
        stack.call(2, 1)?;
        if stack.kind(-1) != Kind::Nil {
            return Ok(1);
        }
        stack.pop(2);
    }
    Ok(0)
}

fn foreachi(stack: Stack<'_>) -> Outcome {
    let end = length(stack)?;
    stack.check_kind(2, Kind::Function)?;
    for index in 1..=end {
        stack.spend(ELEMENT_COST)?;
        stack.push_value(2);
        stack.push_number(f64::from(index));
        stack.raw_get_index(1, index);
        stack.call(2, 1)?;
        if stack.kind(-1) != Kind::Nil {
            return Ok(1);
        }
        stack.pop(1);
    }
    Ok(0)
}

fn sort(stack: Stack<'_>) -> Outcome {
    let end = length(stack)?;
    check_writable(stack, 1)?;
    if !matches!(stack.kind(2), Kind::None | Kind::Nil) {
        stack.check_kind(2, Kind::Function)?;
    }
    stack.set_top(2);
    if !stack.reserve(40) {
        return Err(stack.error(format_args!("stack overflow")));
    }
    Sorter { stack, has_order: stack.kind(2) == Kind::Function }.sort(1, i64::from(end))?;
    Ok(0)
}

/// Lua's quicksort, step by step: scripts see the order in which equal elements come out and in which the order
/// function is asked.
#[derive(Clone, Copy)]
struct Sorter<'h> {
    stack: Stack<'h>,
    has_order: bool,
}

impl Sorter<'_> {
    fn sort(self, mut low: i64, mut high: i64) -> Result<(), Raised> {
        let stack = self.stack;
        while low < high {
            self.get(low);
            self.get(high);
            self.swap_if_less(-1, -2, low, high)?;
            if high - low == 1 {
                break;
            }
            let middle = (low + high) / 2;
            self.get(middle);
            self.get(low);
            if self.less(-2, -1)? {
                self.set_two(middle, low);
            } else {
                stack.pop(1);
                self.get(high);
                self.swap_if_less(-1, -2, middle, high)?;
            }
            if high - low == 2 {
                break;
            }
            self.get(middle);
            stack.push_value(-1);
            self.get(high - 1);
            self.set_two(middle, high - 1);
            let pivot = self.partition(low, high)?;
            // The smaller part recurses, so the depth stays logarithmic.
            if pivot - low < high - pivot {
                self.sort(low, pivot - 1)?;
                low = pivot + 1;
            } else {
                self.sort(pivot + 1, high)?;
                high = pivot - 1;
            }
        }
        Ok(())
    }

    /// The pivot is on top of the stack, and at `high - 1`. Gives where it belongs, with it there.
    fn partition(self, low: i64, high: i64) -> Result<i64, Raised> {
        let stack = self.stack;
        let invalid = || stack.error(format_args!("invalid order function for sorting"));
        let (mut left, mut right) = (low, high - 1);
        loop {
            left += 1;
            self.get(left);
            while self.less(-1, -2)? {
                if left > high {
                    return Err(invalid());
                }
                stack.pop(1);
                left += 1;
                self.get(left);
            }
            right -= 1;
            self.get(right);
            while self.less(-3, -1)? {
                if right < low {
                    return Err(invalid());
                }
                stack.pop(1);
                right -= 1;
                self.get(right);
            }
            if right < left {
                break;
            }
            self.set_two(left, right);
        }
        stack.pop(3);
        self.get(high - 1);
        self.get(left);
        self.set_two(high - 1, left);
        Ok(left)
    }

    /// With the elements of `first` and `second` on the stack: swaps them in the table if one is less, and drops them.
    fn swap_if_less(self, left: c_int, right: c_int, first: i64, second: i64) -> Result<(), Raised> {
        if self.less(left, right)? {
            self.set_two(first, second);
        } else {
            self.stack.pop(2);
        }
        Ok(())
    }

    fn less(self, left: c_int, right: c_int) -> Result<bool, Raised> {
        let stack = self.stack;
        stack.spend(ELEMENT_COST)?;
        if !self.has_order {
            return stack.less_than(left, right);
        }
        stack.push_value(2);
        stack.push_value(left - 1);
        stack.push_value(right - 2);
        stack.call(2, 1)?;
        let result = stack.boolean(-1);
        stack.pop(1);
        Ok(result)
    }

    fn get(self, index: i64) {
        self.stack.raw_get_index(1, index as i32);
    }

    fn set_two(self, first: i64, second: i64) {
        self.stack.raw_set_index(1, first as i32);
        self.stack.raw_set_index(1, second as i32);
    }
}

fn length(stack: Stack<'_>) -> Result<i32, Raised> {
    stack.check_kind(1, Kind::Table)?;
    Ok(stack.length(1) as i32)
}
