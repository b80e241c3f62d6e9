//! Logs scripts that broke, without letting one that breaks at every input fill the log.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::state::{Call, CallError, CallRun};
use crate::wire::ids::RoomId;

/// The same error of the same script is logged once in this time, with how often it came.
const QUIET: Duration = Duration::from_secs(10);
/// The same of scripts that run by themselves.
const QUIET_BY_ITSELF: Duration = Duration::from_secs(60);
/// Kinds of errors kept in mind; beyond that the oldest are forgotten.
const MAX_KINDS: usize = 256;
/// How much of an error's text is logged and kept in mind, in bytes: a script can make it of any length.
const MAX_TEXT: usize = 1024;

/// Remembers what was logged lately.
#[derive(Default)]
pub struct FaultLog {
    kinds: HashMap<(Box<str>, Box<str>), Kind>,
}

struct Kind {
    logged_at: Instant,
    unlogged: u64,
}

impl FaultLog {
    /// Logs a call's fault, or counts it if the like was logged just before.
    pub fn report(
        &mut self,
        call: &Call,
        room: Option<&RoomId>,
        run: Option<&CallRun>,
        error: &CallError,
        now: Instant,
    ) {
        let runs_by_itself = call.tick_interval().is_some() || call.message_id().is_some();
        let quiet = if runs_by_itself { QUIET_BY_ITSELF } else { QUIET };
        let Some(unlogged) = self.count(&call.script.tag(), &error.message, quiet, now) else { return };
        let script = &call.script;
        let room = room.map_or("-", RoomId::as_str);
        let run = run.map_or(String::new(), |run| format!(" {run}"));
        let repeated = repeated(unlogged);
        log::warn!(
            "script failed script={} version={} room={room} user={}{run} error={:?}{repeated}",
            script.full_name,
            script.version(),
            call.caller.user_id,
            shortened(&error.message),
        );
    }

    /// Logs a message whose script is not there any more, or counts it if the like was logged just before.
    pub fn report_gone(&mut self, script: &str, room: Option<&RoomId>, now: Instant) {
        const REASON: &str = "a message finds no such script with ROLE: server";
        let Some(unlogged) = self.count(script, REASON, QUIET_BY_ITSELF, now) else { return };
        let room = room.map_or("-", RoomId::as_str);
        let repeated = repeated(unlogged);
        log::warn!("script failed script={script} version=none room={room} error={REASON:?}{repeated}");
    }

    /// How many of the like went unlogged since the last time, if it is time to log this one.
    fn count(&mut self, script: &str, error: &str, quiet: Duration, now: Instant) -> Option<u64> {
        let name = (script.into(), shortened(error).into());
        if let Some(kind) = self.kinds.get_mut(&name) {
            if now.duration_since(kind.logged_at) < quiet {
                kind.unlogged += 1;
                return None;
            }
            kind.logged_at = now;
            return Some(std::mem::take(&mut kind.unlogged));
        }
        if self.kinds.len() >= MAX_KINDS {
            self.kinds.retain(|_, kind| now.duration_since(kind.logged_at) < QUIET_BY_ITSELF);
        }
        if self.kinds.len() >= MAX_KINDS {
            // Messages that all differ, such as those with a player's name in them, come at this many a while.
            return None;
        }
        self.kinds.insert(name, Kind { logged_at: now, unlogged: 0 });
        Some(0)
    }
}

fn repeated(unlogged: u64) -> String {
    if unlogged > 0 { format!(" repeated={unlogged}") } else { String::new() }
}

fn shortened(text: &str) -> &str {
    let mut end = text.len().min(MAX_TEXT);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_cut_between_characters() {
        assert_eq!(shortened("short"), "short");
        let long = format!("x{}", "ä".repeat(MAX_TEXT));
        assert_eq!(shortened(&long).len(), MAX_TEXT - 1);
    }
}
