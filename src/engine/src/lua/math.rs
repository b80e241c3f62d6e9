//! `math.random` with numbers of its own for each call, and `os.clock`.

use super::number::write_with_precision;
use super::stack::{Entry, Outcome, Stack, native};

/// What replaces Lua's own.
pub(super) fn functions() -> [Entry; 2] {
    [(c"random", native(random)), (c"randomseed", native(randomseed))]
}

/// The one function of `os` that is left.
pub(super) fn os_functions() -> [Entry; 1] {
    [(c"clock", native(clock))]
}

fn random(stack: Stack<'_>) -> Outcome {
    let unit = stack.host().keyspace.borrow_mut().random().unit();
    let (low, high) = match stack.top() {
        0 => {
            stack.push_number(unit);
            return Ok(1);
        }
        1 => (1, stack.check_int(1)?),
        2 => (stack.check_int(1)?, stack.check_int(2)?),
        _ => return Err(stack.error(format_args!("wrong number of arguments"))),
    };
    if low > high {
        return Err(stack.argument_error(stack.top(), format_args!("interval is empty")));
    }
    let width = f64::from(high) - f64::from(low) + 1.0;
    stack.push_number((unit * width).floor() + f64::from(low));
    Ok(1)
}

fn randomseed(stack: Stack<'_>) -> Outcome {
    let seed = stack.check_number(1)?;
    let mut text = Vec::new();
    // The sign of what is no number differs from machine to machine.
    if seed.is_nan() {
        text.extend(b"nan")
    } else {
        write_with_precision(seed, 17, &mut text)
    }
    stack.host().keyspace.borrow_mut().random().reseed(&text);
    Ok(0)
}

/// The call's time, so that it says the same if the call runs again.
fn clock(stack: Stack<'_>) -> Outcome {
    stack.push_number(stack.host().now_ms.get() as f64 / 1000.0);
    Ok(1)
}
