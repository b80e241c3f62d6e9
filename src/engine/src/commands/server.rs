//! Commands about the store as a whole: `PING`, `TIME`, `DBSIZE`, `FLUSHALL` …

use super::super::keyspace::Keyspace;
use super::super::reply::ReplyBuffer;
use super::arguments::{integer, is};
use super::failure::{Failure, Outcome, out_of_range};

/// `PING [message]`
pub(super) fn ping(_: &mut Keyspace, arguments: &[&[u8]], reply: &mut ReplyBuffer) -> Outcome {
    match arguments {
        [_] => reply.status("PONG"),
        [_, message] => reply.bulk(message),
        _ => return Err(Failure::wrong_arity("ping")),
    }
    Ok(())
}

/// `ECHO message`
pub(super) fn echo(_: &mut Keyspace, arguments: &[&[u8]], reply: &mut ReplyBuffer) -> Outcome {
    reply.bulk(arguments[1]);
    Ok(())
}

/// `SELECT index`: there is database 0 and no other.
pub(super) fn select(_: &mut Keyspace, arguments: &[&[u8]], reply: &mut ReplyBuffer) -> Outcome {
    check_database(arguments[1])?;
    reply.status("OK");
    Ok(())
}

/// Refuses every database but 0.
pub(super) fn check_database(index: &[u8]) -> Outcome {
    match i32::try_from(integer(index)?) {
        Ok(0) => Ok(()),
        Ok(_) => Err(Failure::fixed("ERR DB index is out of range")),
        Err(_) => Err(out_of_range(i32::MIN.into(), i32::MAX.into())),
    }
}

/// `TIME`: seconds and microseconds; a script sees its own time, which stands still.
pub(super) fn time(keyspace: &mut Keyspace, _: &[&[u8]], reply: &mut ReplyBuffer) -> Outcome {
    let now_ms = keyspace.now_ms() as i64;
    reply.array(2);
    reply.bulk_integer(now_ms / 1000);
    reply.bulk_integer(now_ms % 1000 * 1000);
    Ok(())
}

/// `DBSIZE`
pub(super) fn dbsize(keyspace: &mut Keyspace, _: &[&[u8]], reply: &mut ReplyBuffer) -> Outcome {
    reply.integer(keyspace.len() as i64);
    Ok(())
}

/// `FLUSHALL [ASYNC | SYNC]` and `FLUSHDB`, which are the same with one database.
pub(super) fn flush(keyspace: &mut Keyspace, arguments: &[&[u8]], reply: &mut ReplyBuffer) -> Outcome {
    match arguments {
        [_] => (),
        [_, mode] if is(mode, "sync") || is(mode, "async") => (),
        _ => return Err(Failure::SYNTAX),
    }
    keyspace.clear();
    reply.status("OK");
    Ok(())
}
