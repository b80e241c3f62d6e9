//! Which commands scripts can call, for checks of scripts that do not run them.

use godra_engine::commands::{find, is_refused};

use crate::script::check::Command;

/// These tell of all rooms, or of the whole store.
const OF_ALL_KEYS: [&str; 6] = ["keys", "scan", "randomkey", "dbsize", "flushall", "flushdb"];

/// What a script gets when it calls a command with so many arguments.
pub fn for_scripts(name: &str, arguments: usize) -> Command {
    match find(name.as_bytes()) {
        // It is not a command of the keyspace: Lua hands it to the room's events.
        None if name.eq_ignore_ascii_case("publish") => Command::Known(Vec::new()),
        Some(command) if OF_ALL_KEYS.contains(&command.name) => Command::LooksAtAllKeys,
        _ if is_refused(name.as_bytes()) => Command::NotForScripts,
        Some(command) => Command::Known(command.fixed_keys(arguments)),
        None => Command::Unknown,
    }
}
