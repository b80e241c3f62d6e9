//! What the user of a store must be allowed to do there, and what it lacks. No sockets here.
//!
//! Without this a lacking right would show only when a player first needs it, and then for everybody. Redis tells since 7.0
//! (`redis.acl_check_cmd`).

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use redis::{Cmd, Value};

use super::address::Address;
use super::names::Names;
use crate::script::{KeyPattern, Script};
use crate::state::guest_book::{GUESTS, ROOMS_PREFIX, rooms_key};

const QUESTION: &str = include_str!("rights.lua");

/// What the server itself runs, in scripts and outside of them, with arguments: `$` is a key.
const COMMANDS: &[&str] = &[
    "del $",
    "dump $",
    "eval x 0",
    "evalsha x 0",
    "exists $",
    "expire $ 1",
    "get $",
    "hdel $ f",
    "hexists $ f",
    "hget $ f",
    "hgetall $",
    "hincrby $ f 1",
    "hkeys $",
    "hlen $",
    "hmget $ f",
    "hset $ f 1",
    "lindex $ 0",
    "llen $",
    "lpop $",
    "lpush $ 1",
    "lrange $ 0 1",
    "lset $ 0 1",
    "ltrim $ 0 1",
    "memory usage $",
    "persist $",
    "pexpireat $ 1",
    "pexpiretime $",
    "ping",
    "pttl $",
    "rename $ $",
    "restore $ 0 x",
    "rpop $",
    "rpush $ 1",
    "sadd $ 1",
    "scard $",
    "script kill",
    "script load x",
    "set $ 1",
    "setrange $ 0 x",
    "smembers $",
    "smismember $ 1",
    "srandmember $",
    "srem $ 1",
    "time",
    "unlink $",
    "unsubscribe",
    "zadd $ 1 m",
    "zcard $",
    "zmscore $ m",
    "zrange $ 0 1",
    "zrangebyscore $ 0 1",
    "zrem $ m",
    "zscore $ m",
];
/// What it runs besides where scripts are run by messages.
const MAIL_COMMANDS: &[&str] = &["incr $", "incrby $ 1", "pexpire $ 1"];

/// The same, where a script asks `godra` for its room's members or state.
const ROOM_COMMANDS: &[&str] = &["pexpire $ 1", "sismember $ 1"];
/// A key of those, with the rule that allows it and its like.
const ROOM_KEY: (&str, &str) = ("game:r", "~game:*");

/// More rules than these are not told one by one.
const MAX_TOLD: usize = 12;
/// The commands that a game needs, and few that it does not.
const ALL_COMMANDS: &str = "+@all -@admin -@dangerous +restore +info";

/// What is to be found out about a user.
pub(super) struct Rights {
    user: String,
    /// The command that asks for what is lacking, for [`read_lacking`].
    pub question: Cmd,
    /// A channel such as those of rooms.
    pub channel: String,
    /// What nothing works without, as rules.
    own: HashSet<String>,
    /// All that the server and the scripts need, as rules.
    all: String,
}

impl Rights {
    /// What the server and these scripts need at an address.
    pub(super) fn new(address: &Address, names: &Names, scripts: &[Arc<Script>]) -> Self {
        let (channel, channel_rule) = (format!("{}room", names.channels), format!("&{}*", names.channels));
        let mut keys = own_keys(names);
        let own_rules = keys.iter().map(|(_, rule)| rule.clone()).chain([channel_rule.clone()]);
        let has_mail = scripts.iter().any(|script| script.header.is_for_server);
        let mail = if has_mail { MAIL_COMMANDS } else { &[] };
        let commands =
            COMMANDS.iter().chain(mail).map(|command| ((*command).to_owned(), command_rule(command)));
        let mut commands: Vec<(String, String)> = commands.collect();
        let own = own_rules.chain(commands.iter().map(|(_, rule)| rule.clone()));
        let own = own.chain(["+publish".to_owned(), "+subscribe".to_owned()]).collect();
        keys.extend(scripts.iter().flat_map(|script| &script.header.keys).map(key_of));
        if scripts.iter().any(|script| script.reads_room()) {
            keys.push((ROOM_KEY.0.to_owned(), ROOM_KEY.1.to_owned()));
            commands
                .extend(ROOM_COMMANDS.iter().map(|command| ((*command).to_owned(), command_rule(command))));
        }
        let mut question = redis::cmd("EVAL");
        question.arg(QUESTION).arg(0).arg(keys.len());
        for (what, rule) in keys.iter().chain([&(channel.clone(), channel_rule.clone())]).chain(&commands) {
            question.arg(what).arg(rule);
        }
        let key_rules: BTreeSet<&str> = keys.iter().map(|(_, rule)| rule.as_str()).collect();
        let all =
            key_rules.into_iter().chain([channel_rule.as_str(), ALL_COMMANDS]).collect::<Vec<_>>().join(" ");
        let user = address.login.as_ref().map_or("default", |login| &login.user).to_owned();
        Self { user, question, channel, own, all }
    }

    /// Whether nothing works with so much lacking; else it is some scripts that do not.
    pub(super) fn is_barred(&self, lacking: &[String]) -> bool {
        lacking.iter().any(|rule| self.own.contains(rule))
    }

    /// What to say of a user that lacks these rules.
    pub(super) fn explain(&self, lacking: &[String]) -> String {
        let user = &self.user;
        let rules = if lacking.len() > MAX_TOLD { self.all.clone() } else { lacking.join(" ") };
        format!("NOPERM: the user {user} lacks rights, which ACL SETUSER {user} {rules} would give it")
    }

    /// What to say of a user that may not run a command, or not subscribe a channel, in the store's own words.
    pub(super) fn explain_refusal(&self, details: &str) -> String {
        let Self { user, all, .. } = self;
        format!("NOPERM {details}; ACL SETUSER {user} {all} would give the user all rights that are needed")
    }
}

/// Reads the answer to the question: the rules that are lacking; none if the store cannot tell.
pub(super) fn read_lacking(answer: &Value) -> Option<Vec<String>> {
    let Value::Array(rules) = answer else { return None };
    let text = |rule: &Value| match rule {
        Value::BulkString(rule) => Some(String::from_utf8_lossy(rule).into_owned()),
        _ => None,
    };
    let found: BTreeSet<String> = rules.iter().filter_map(text).collect();
    Some(found.into_iter().collect())
}

/// Keys of the server's own, with the rules that allow them.
fn own_keys(names: &Names) -> Vec<(String, String)> {
    const KINDS: [&str; 9] = [
        "room:r",
        "members:r",
        "history:r",
        "inputs:r:1",
        "nodes",
        "node:n:lease",
        "store",
        "undo:1",
        "mail:seq",
    ];
    let rule = format!("~{}*", names.keys);
    let own = KINDS.iter().map(|kind| (format!("{}{kind}", names.keys), rule.clone()));
    let guests =
        [(GUESTS.to_owned(), format!("~{GUESTS}")), (rooms_key("guest:g"), format!("~{ROOMS_PREFIX}*"))];
    own.chain(guests).collect()
}

/// The rule that allows a command.
fn command_rule(command: &str) -> String {
    let mut words = command.split(' ');
    match (words.next(), words.next()) {
        (Some(name @ ("memory" | "script")), Some(subcommand)) => format!("+{name}|{subcommand}"),
        (name, _) => format!("+{}", name.unwrap_or_default()),
    }
}

/// A key that a script declares, with the rule that allows it and its like.
fn key_of(pattern: &KeyPattern) -> (String, String) {
    let mut key = Vec::new();
    pattern.write("room", "user", &mut key);
    // One rule for all that begin alike.
    let (prefix, goes_on) = pattern.prefix();
    let rule = format!("~{prefix}{}", if goes_on { "*" } else { "" });
    (String::from_utf8_lossy(&key).into_owned(), rule)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::redis::Prefix;

    #[test]
    fn the_commands_of_the_programs_are_asked_for() {
        let parts = [
            include_str!("prelude.lua"),
            include_str!("numbered.lua"),
            include_str!("history.lua"),
            include_str!("groups.lua"),
            include_str!("membership.lua"),
            include_str!("undo.lua"),
            include_str!("picks.lua"),
            include_str!("orphans.lua"),
            include_str!("mail_clock.lua"),
            include_str!("mail.lua"),
            include_str!("mail_look.lua"),
            include_str!("mail_send.lua"),
            include_str!("mail_receive.lua"),
            include_str!("../../guests/claim.lua"),
        ];
        let asked: Vec<String> =
            COMMANDS.iter().chain(MAIL_COMMANDS).map(|command| command_rule(command)).collect();
        let asked_otherwise = ["PUBLISH", "MEMORY"];
        let mut found = 0;
        for word in parts.iter().flat_map(|part| part.split('"').skip(1).step_by(2)) {
            let name = word.to_ascii_lowercase();
            let is_command = word.bytes().all(|byte| byte.is_ascii_uppercase())
                && godra_engine::commands::find(name.as_bytes()).is_some();
            if is_command && !asked_otherwise.contains(&word) {
                found += 1;
                assert!(asked.contains(&format!("+{name}")), "{word}");
            }
        }
        assert!(found > 50, "{found}");
    }

    #[test]
    fn what_is_lacking_is_told_in_one_line() {
        let address = &Address::parse_list("redis://game:secret@a/2").unwrap()[0];
        let names = Names::new(&Prefix::default(), address);
        let rights = Rights::new(address, &names, &[]);
        let lacking = |rules: &[&str]| rules.iter().map(|rule| (*rule).to_owned()).collect::<Vec<_>>();
        let channels = lacking(&["&godra:2:events:*"]);
        assert!(rights.is_barred(&channels));
        assert_eq!(
            rights.explain(&channels),
            "NOPERM: the user game lacks rights, which ACL SETUSER game &godra:2:events:* would give it"
        );
        assert!(rights.is_barred(&lacking(&["+hset", "~shop:*"])));
        assert!(!rights.is_barred(&lacking(&["~shop:*"])));
        let many: Vec<String> = (0..20).map(|number| format!("+x{number}")).collect();
        assert!(rights.explain(&many).contains(
            "ACL SETUSER game ~active_sessions:guests ~godra:* ~godra:guest:* &godra:2:events:* +@all -@admin"
        ));
    }

    #[test]
    fn keys_of_scripts() {
        let check = |pattern: &str, expected: &str| {
            let (key, rule) = key_of(&KeyPattern::parse(pattern).unwrap());
            assert_eq!(format!("{key} {rule}"), expected);
        };
        check("game:{room}:players", "game:room:players ~game:*");
        check("lobbies", "lobbies ~lobbies");
        check("user:{user}", "user:user ~user:*");
        check("game:{room}:hand:{user}", "game:room:hand:user ~game:*");
    }
}
