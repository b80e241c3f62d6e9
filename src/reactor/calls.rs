//! Which script a caller may call, and how: the rules, without anybody who acts on them.

use std::sync::Arc;

use crate::room::Why;
use crate::script::{KeyError, Script, ScriptSet};
use crate::session::{Input, Rejection, RpcRequest};
use crate::state::{Call, CallError, CallResult, ErrorSource};
use crate::wire::ids::{Identity, RoomId};
use crate::wire::{Code, ErrorCode};

/// The call that a player's input makes: of the script of that name, which gets the payload, or of one whose header names
/// this action among others, which gets the whole message.
///
/// # Errors
/// There is no such script, it never compiled, or it is not for this caller.
pub(super) fn input(scripts: &ScriptSet, input: Input) -> Result<Call, Rejection> {
    let script = scripts.get_for_action(&input.action).ok_or_else(|| {
        let nearest = scripts.nearest(&input.action, input.caller.role, true);
        missing(scripts, "action", &input.action, nearest)
    })?;
    check_may_call(&input.caller, script)?;
    let (caller, wants_result, n) = (input.caller.clone(), input.name.id.is_some(), input.name.n);
    let text = if script.header.actions.is_empty() { input.into_payload() } else { input.text.into() };
    Ok(Call::input(script.clone(), caller, text, wants_result).numbered(n))
}

/// The call that an RPC makes, and the room that it is about, if any.
///
/// # Errors
/// There is no such script, it is not for this caller, or the keys are not those that it declares.
pub(super) fn rpc(
    scripts: &ScriptSet,
    caller: &Arc<Identity>,
    request: &RpcRequest,
) -> Result<(Call, Option<RoomId>), Rejection> {
    let scripts = of_game(scripts, request.game.as_deref())?;
    let script = scripts.get(&request.script).ok_or_else(|| {
        let nearest = scripts.nearest(&request.script, caller.role, false);
        missing(scripts, "script", &request.script, nearest)
    })?;
    check_may_call(caller, script)?;
    let target = script
        .resolve_rpc(&caller.user_id, request.keys.as_deref(), &request.arguments, || fresh_room(script))
        .map_err(|error| refused_keys(&error))?;
    let arguments = request.arguments.iter().map(|argument| argument.as_bytes().into()).collect();
    Ok((Call::rpc(script.clone(), caller.clone(), target.keys, arguments), target.room))
}

/// The scripts of a game (none: the default one).
///
/// # Errors
/// There is no such game.
pub(super) fn of_game<'a>(scripts: &'a ScriptSet, game: Option<&str>) -> Result<&'a ScriptSet, Rejection> {
    scripts.find_game(game).ok_or_else(|| {
        let message = format!("there is no game {:?} on this server", game.unwrap_or_default());
        Rejection::new(ErrorCode::NotFound, message)
    })
}

/// What a caller gets whose call an engine did not take.
pub(super) fn not_taken(why: Why) -> Rejection {
    match why {
        Why::Busy => busy(),
        Why::OutOfOrder => Rejection::out_of_order(),
        Why::Unavailable => Rejection::new(
            ErrorCode::Unavailable,
            "the game's state is not available and this did not run; try again soon",
        ),
    }
}

/// What a caller gets when a queue is full.
pub(super) fn busy() -> Rejection {
    Rejection::new(ErrorCode::Busy, "the server is busy and did not run this; try again")
}

/// What a connection gets whose place another one has.
pub(super) fn no_member() -> Rejection {
    Rejection::new(ErrorCode::Forbidden, "this connection is no longer a member of the room")
}

/// How an RPC is answered: by its result as JSON text, or by a refusal.
pub(super) fn rpc_answer(result: Option<&CallResult>) -> Result<&[u8], Rejection> {
    match result {
        Some(CallResult::Ok(result)) => Ok(result),
        Some(CallResult::Err(error)) => Err(refused_call(error)),
        _ => Err(Rejection::new(ErrorCode::Unavailable, "the call was not run")),
    }
}

/// A hook's refusal is the answer to the upgrade; if the hook itself broke, that is the server's fault.
pub(super) fn refused_join(error: &CallError) -> Rejection {
    let status = match &error.code {
        Code::Known(code @ (ErrorCode::Busy | ErrorCode::Unavailable)) => code.status(),
        _ if error.is_fault() => 500,
        _ => 403,
    };
    rejected(error, status)
}

fn refused_call(error: &CallError) -> Rejection {
    let status = match &error.code {
        _ if error.is_fault() => 500,
        // A token that is good has been shown: no script can say otherwise, and make clients log in again.
        Code::Known(
            ErrorCode::ScriptError
            | ErrorCode::ScriptTimeout
            | ErrorCode::Unauthorized
            | ErrorCode::TokenExpired
            | ErrorCode::SessionEnded,
        )
        | Code::Custom(_) => 400,
        Code::Known(code) => code.status(),
    };
    rejected(error, status)
}

fn rejected(error: &CallError, status: u16) -> Rejection {
    // A script's `busy` is the game's: when to try again, the script says, or nobody.
    let is_temporary = error.source == ErrorSource::Server && matches!(status, 429 | 503);
    Rejection {
        status,
        code: error.code.clone(),
        message: error.message.clone(),
        details: error.details.clone(),
        retry_after_s: is_temporary.then(|| "1".into()),
    }
}

/// Why nothing runs under a name: its file never was a script, or there is none.
fn missing(scripts: &ScriptSet, what: &str, name: &str, nearest: Option<&str>) -> Rejection {
    if scripts.broken.contains(name) {
        let message = format!("{name}.lua cannot run as it is; the server's log says why");
        return Rejection::new(ErrorCode::ScriptError, message);
    }
    let hint = nearest.map(|nearest| format!("; do you mean {nearest:?}?")).unwrap_or_default();
    Rejection::new(ErrorCode::NotFound, format!("there is no {what} {name:?}{hint}"))
}

fn check_may_call(identity: &Identity, script: &Script) -> Result<(), Rejection> {
    if script.is_internal() {
        let message = format!("{:?} is run by the server alone", script.name);
        return Err(Rejection::new(ErrorCode::Forbidden, message));
    }
    if identity.role < script.header.role {
        let message =
            format!("{:?} needs the role {}; yours is {}", script.name, script.header.role, identity.role);
        return Err(Rejection::new(ErrorCode::Forbidden, message));
    }
    Ok(())
}

fn refused_keys(error: &KeyError) -> Rejection {
    Rejection::new(error.code, error.message.as_str())
}

/// A random room id of the script's game, that people can read to each other: 8 of 32 letters and digits that look different.
fn fresh_room(script: &Script) -> RoomId {
    const ALPHABET: &[u8; 32] = b"abcdefghjkmnpqrstuvwxyz123456789";
    let mut random = [0_u8; 8];
    getrandom::fill(&mut random).expect("the kernel's random numbers are always there");
    let id: String = random.iter().map(|byte| char::from(ALPHABET[usize::from(byte % 32)])).collect();
    RoomId::parse_in(script.game.as_deref(), &id).expect("the alphabet is one of room ids")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(source: ErrorSource, code: &str) -> CallError {
        CallError { code: code.into(), message: "no".into(), details: None, source }
    }

    #[test]
    fn no_script_says_that_a_token_is_not_good() {
        for code in ["unauthorized", "token_expired", "session_ended", "too_fast", "script_error"] {
            let refused = refused_call(&error(ErrorSource::Script, code));
            assert_eq!((refused.status, refused.code.as_str()), (400, code));
            let refused = refused_join(&error(ErrorSource::Script, code));
            assert_eq!((refused.status, refused.code.as_str()), (403, code));
        }
        assert_eq!(refused_call(&error(ErrorSource::Script, "forbidden")).status, 403);
        assert_eq!(refused_call(&error(ErrorSource::Fault, "script_error")).status, 500);
        assert_eq!(refused_join(&error(ErrorSource::Fault, "script_timeout")).status, 500);
    }

    #[test]
    fn when_to_try_again_is_said_by_the_server_alone() {
        let check = |source, code: &str, status: u16, seconds: Option<&str>| {
            let refused = refused_call(&error(source, code));
            assert_eq!((refused.status, refused.retry_after_s.as_deref()), (status, seconds), "{code}");
        };
        check(ErrorSource::Script, "busy", 503, None);
        check(ErrorSource::Script, "unavailable", 503, None);
        check(ErrorSource::Script, "rate_limited", 429, None);
        check(ErrorSource::Server, "busy", 503, Some("1"));
        check(ErrorSource::Server, "unavailable", 503, Some("1"));
        check(ErrorSource::Server, "out_of_order", 409, None);
        let refused =
            [ErrorSource::Script, ErrorSource::Server].map(|source| refused_join(&error(source, "busy")));
        assert_eq!(refused.map(|refused| refused.retry_after_s.is_some()), [false, true]);
    }
}
