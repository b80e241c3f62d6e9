//! Scripts' texts: their headers, the keys that follow from them, and what `godra check` says of them.

use crate::script::check::{Command, lint};
use crate::script::receivers::Receiver;
use crate::script::{Header, KeyPattern, Script, may_call, may_use};
use crate::wire::ids::RoomId;

pub(crate) fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let lines = text.lines().count().max(1);
    let header = match Header::parse("move", text) {
        Ok(header) => header,
        Err(refused) => {
            assert!((1..=lines).contains(&refused.line), "line {} of {lines}", refused.line);
            assert!(refused.message.len() < 1000, "a long message: {}", refused.message.len());
            return;
        }
    };
    assert!(header.keys.len() <= Header::MAX_KEYS);
    for pattern in &header.keys {
        assert_eq!(KeyPattern::parse(&pattern.to_string()).as_ref(), Ok(pattern));
    }
    let script = Script::new("move", "move.lua", text, header);
    check_keys(&script);
    _ = (may_call(text, &["publish"]), may_use(text, "redis", &["call"]));
    for problem in lint(&script, commands, |_| Receiver::Missing) {
        // Lua counts other ends of lines, too.
        let lines = 1 + text.bytes().filter(|byte| matches!(byte, b'\n' | b'\r')).count();
        assert!(problem.line.is_some_and(|line| (1..=lines).contains(&line)), "{problem:?} of {lines} lines");
    }
}

/// The keys of a user in a room are accepted again, as of that room.
fn check_keys(script: &Script) {
    const USER: &str = "guest:a-Z_9";
    let room = RoomId::parse("a-Z_9").expect("a valid id");
    let keys: Vec<String> = script.keys_for(&room, USER).into_iter().map(String::from).collect();
    let arguments = vec!["a-Z_9"; Header::MAX_ROOM_ARGUMENT + 1];
    let fresh = || RoomId::parse("fresh").expect("a valid id");
    let target = script.resolve_rpc(USER, Some(&keys), &arguments, fresh);
    match target {
        Ok(target) => {
            assert_eq!(target.keys.len(), script.header.keys.len());
            assert!(target.room.is_none_or(|found| found == room));
        }
        // No key says which room the documents are of, and a call without a socket is in none.
        Err(refused) => {
            let names_room = script.header.keys.iter().any(|key| key.to_string().contains("{room}"));
            let is_right = !names_room && refused.message.contains("needs a room");
            assert!(is_right, "{keys:?} of {:?}: {refused:?}", script.header);
        }
    }
}

fn commands(name: &str, arguments: usize) -> Command {
    match name.to_ascii_lowercase().as_str() {
        "get" | "set" | "hset" => Command::Known(vec![1]),
        "mget" | "del" => Command::Known((1..arguments).collect()),
        "keys" => Command::LooksAtAllKeys,
        "blpop" => Command::NotForScripts,
        _ => Command::Unknown,
    }
}
