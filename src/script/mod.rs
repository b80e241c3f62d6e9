//! Game scripts as data: headers, the catalogue, key patterns, hot reload. Runs nothing: that is the state engine's.

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use crate::wire::ids::Role;

/// One script of the catalogue, compiled and checked before it got here.
pub struct Script {
    /// The file's name without `.lua`.
    pub name: Box<str>,
    /// Where it was read from, for logs.
    pub path: PathBuf,
    /// The file's text, unchanged.
    pub text: Box<str>,
    /// SHA-1 of `text` in lower-case hex, as Redis names scripts.
    pub sha: Box<str>,
    /// What its header comments declare.
    pub header: Header,
}

impl Script {
    /// First 8 characters of the SHA-1: shown in logs, replies and metrics.
    pub fn version(&self) -> &str {
        &self.sha[..8]
    }

    /// Whether players may never call it: hooks (`on_…`) and tick scripts.
    pub fn is_internal(&self) -> bool {
        self.name.starts_with("on_") || self.header.tick_ms.is_some()
    }
}

impl fmt::Debug for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Script({}@{})", self.name, self.version())
    }
}

/// The declarations in a script's header comments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// `-- ROLE:`; player without the line.
    pub role: Role,
    /// `-- KEYS:`, in order.
    pub keys: Vec<KeyPattern>,
    /// `-- ROOM: n`: for an RPC without keys, `args[n]` (counted from 1) names the room.
    pub room_argument: Option<usize>,
    /// `-- TICK: ms`: run for every live room at this interval.
    pub tick_ms: Option<u32>,
}

/// One declared key: literal text around at most one `{room}` or `{new}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyPattern {
    /// Text before the placeholder, or the whole key.
    pub prefix: Box<str>,
    /// The placeholder, if there is one.
    pub placeholder: Option<Placeholder>,
    /// Text after the placeholder.
    pub suffix: Box<str>,
}

/// What stands in braces in a key pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placeholder {
    /// `{room}`: the caller's room.
    Room,
    /// `{new}`: as `{room}`, but a fresh random id when the caller sent no keys.
    New,
}

/// A consistent set of scripts, swapped as a whole.
#[derive(Debug, Default)]
pub struct ScriptSet {
    /// Every script, by name.
    pub scripts: HashMap<Box<str>, Arc<Script>>,
    /// Counts swaps, from 1.
    pub generation: u64,
}

impl ScriptSet {
    /// The script of that name.
    pub fn get(&self, name: &str) -> Option<&Arc<Script>> {
        self.scripts.get(name)
    }
}
