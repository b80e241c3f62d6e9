//! `math.random` with a state of its own for each call, and `os.clock`.

use super::stack::{Entry, Outcome, Stack, native};
use crate::SplitMix;

/// What replaces Lua's own.
pub(super) fn functions() -> [Entry; 2] {
    [(c"random", native(random)), (c"randomseed", native(randomseed))]
}

/// The one function of `os` that is left.
pub(super) fn os_functions() -> [Entry; 1] {
    [(c"clock", native(clock))]
}

fn random(stack: Stack<'_>) -> Outcome {
    let mut generator = SplitMix(stack.host().random.get());
    let unit = (generator.next_u64() >> 11) as f64 / (1_u64 << 53) as f64;
    stack.host().random.set(generator.0);
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
    stack.host().random.set(seed.to_bits());
    Ok(0)
}

fn clock(stack: Stack<'_>) -> Outcome {
    stack.push_number(stack.host().started_at.elapsed().as_secs_f64());
    Ok(1)
}
