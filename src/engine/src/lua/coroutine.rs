//! `coroutine` with functions that do not let a spent budget end in a coroutine's error value.

use super::stack::{Entry, Kind, Life, Outcome, Raised, Stack, Status, native};

/// What replaces Lua's own; `yield`, `status`, `create` and `running` stay.
pub(super) fn functions() -> [Entry; 2] {
    [(c"resume", native(resume)), (c"wrap", native(wrap))]
}

fn resume(stack: Stack<'_>) -> Outcome {
    let Some(coroutine) = stack.thread(1) else {
        return Err(stack.argument_error(1, format_args!("coroutine expected")));
    };
    let results = run(stack, coroutine, stack.top() - 1)?;
    let is_fine = results.is_some();
    let results = results.unwrap_or(1);
    stack.push_boolean(is_fine);
    stack.insert(-(results + 1));
    Ok(results + 1)
}

fn wrap(stack: Stack<'_>) -> Outcome {
    if stack.kind(1) != Kind::Function || stack.is_native_function(1) {
        return Err(stack.argument_error(1, format_args!("Lua function expected")));
    }
    let coroutine = stack.push_thread();
    stack.push_value(1);
    stack.move_to(coroutine, 1);
    stack.push_native(native(resume_wrapped), 1);
    Ok(1)
}

fn resume_wrapped(stack: Stack<'_>) -> Outcome {
    let Some(coroutine) = stack.thread(Stack::upvalue(1)) else {
        return Err(stack.error(format_args!("coroutine expected")));
    };
    if let Some(results) = run(stack, coroutine, stack.top())? {
        return Ok(results);
    }
    if matches!(stack.kind(-1), Kind::String | Kind::Number) {
        let message = stack.bytes(-1).unwrap_or_default();
        let place = stack.place(1).map_or(String::new(), |place| format!("{place}: "));
        stack.push_bytes(&[place.as_bytes(), message].concat());
    }
    Err(stack.raise_top())
}

/// Moves the topmost `arguments` over and resumes. Gives how many results are on the stack, or `None` with the
/// coroutine's error on top.
fn run(stack: Stack<'_>, coroutine: Stack<'_>, arguments: i32) -> Result<Option<i32>, Raised> {
    if !coroutine.reserve(arguments) {
        return Err(stack.error(format_args!("too many arguments to resume")));
    }
    let state = match stack.life(coroutine) {
        Life::Suspended => {
            stack.move_to(coroutine, arguments);
            let status = stack.resume(coroutine, arguments);
            if let Some(exceeded) = stack.host().budget.exceeded() {
                return Err(stack.exceeded(exceeded));
            }
            if status == Status::Failed {
                coroutine.move_to(stack, 1);
                return Ok(None);
            }
            let results = coroutine.top();
            if !stack.reserve(results + 1) {
                return Err(stack.error(format_args!("too many results to resume")));
            }
            coroutine.move_to(stack, results);
            return Ok(Some(results));
        }
        Life::Running => "running",
        Life::Normal => "normal",
        Life::Dead => "dead",
    };
    stack.push_bytes(format!("cannot resume {state} coroutine").as_bytes());
    Ok(None)
}
