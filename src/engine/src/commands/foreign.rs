//! Commands that Valkey knows and the embedded store does not run, so that their answer says which it is.

use super::super::keyspace::Context;
use super::{Failure, NOT_FROM_SCRIPT};

/// Valkey itself refuses these to scripts: connections, transactions, subscriptions, administration.
#[rustfmt::skip]
const FORBIDDEN_IN_SCRIPTS: &[&str] = &[
    "acl", "auth", "bgrewriteaof", "bgsave", "client", "config", "debug", "discard", "eval", "eval_ro", "evalsha",
    "evalsha_ro", "exec", "failover", "fcall", "fcall_ro", "function", "hello", "latency", "module", "monitor",
    "multi", "psubscribe", "psync", "punsubscribe", "quit", "replconf", "replicaof", "reset", "role", "save",
    "script", "shutdown", "slaveof", "ssubscribe", "subscribe", "sunsubscribe", "sync", "unsubscribe", "unwatch",
    "watch",
];

/// These would work in Valkey.
#[rustfmt::skip]
const NOT_IN_THIS_STORE: &[&str] = &[
    "asking", "cluster", "clusterscan", "command", "commandlog", "dump", "geoadd", "geodist", "geohash", "geopos",
    "georadius", "georadius_ro", "georadiusbymember", "georadiusbymember_ro", "geosearch", "geosearchstore",
    "hexpire", "hexpireat", "hexpiretime", "hgetex", "hpersist", "hpexpire", "hpexpireat", "hpexpiretime", "hpttl",
    "hsetex", "httl", "info", "lastsave", "lolwut", "memory", "migrate", "move", "object", "pfadd", "pfcount",
    "pfdebug", "pfmerge", "pfselftest", "pubsub", "readonly", "readwrite", "restore", "restore-asking", "slowlog",
    "spublish", "swapdb", "wait", "waitaof", "xack", "xadd", "xautoclaim", "xclaim", "xdel", "xgroup", "xinfo",
    "xlen", "xpending", "xrange", "xread", "xreadgroup", "xrevrange", "xsetid", "xtrim",
];

/// Why a command of Valkey is not run here; none if Valkey does not know it either.
pub(super) fn refusal(name: &[u8], context: &Context) -> Option<Failure> {
    let is_among = |names: &[&str]| names.iter().any(|known| name.eq_ignore_ascii_case(known.as_bytes()));
    if context.from_script && is_among(FORBIDDEN_IN_SCRIPTS) {
        return Some(NOT_FROM_SCRIPT);
    }
    let is_known = is_among(NOT_IN_THIS_STORE) || is_among(FORBIDDEN_IN_SCRIPTS);
    is_known.then_some(Failure::fixed("ERR The embedded store does not have this command of Valkey"))
}
