//! Logs that a store is full, and that it is no longer, without letting each refused call fill the log.

use std::time::{Duration, Instant};

use crate::state::Call;

/// That calls are refused is logged once in this time, with how many were.
const QUIET: Duration = Duration::from_secs(60);
/// A store in which nothing was refused for so long, and which has room, is no longer full.
const CALM: Duration = Duration::from_secs(5);

/// Remembers what was logged.
#[derive(Debug, Default)]
pub(super) struct FullLog {
    /// None while the store has room.
    full: Option<Full>,
}

#[derive(Debug)]
struct Full {
    logged_at: Instant,
    refused_at: Instant,
    unlogged: u64,
}

impl FullLog {
    /// A call was refused; `used` says how full the store is, as far as that is known.
    pub(super) fn refused(&mut self, call: Option<&Call>, used: &str, now: Instant) {
        let unlogged = match &mut self.full {
            Some(full) => {
                full.refused_at = now;
                full.unlogged += 1;
                if now.duration_since(full.logged_at) < QUIET {
                    return;
                }
                full.logged_at = now;
                std::mem::take(&mut full.unlogged)
            }
            none => {
                *none = Some(Full { logged_at: now, refused_at: now, unlogged: 0 });
                1
            }
        };
        let script = call.map_or_else(String::new, |call| {
            format!(" script={} user={}", call.script.full_name, call.caller.user_id)
        });
        log::warn!("the store is full: what needs memory is refused {used} refused={unlogged}{script}");
    }

    /// The store has room, as far as can be told.
    pub(super) fn has_room(&mut self, used: impl FnOnce() -> String, now: Instant) {
        if self.full.as_ref().is_some_and(|full| now.duration_since(full.refused_at) >= CALM) {
            log::info!("the store has room again {}", used());
            self.full = None;
        }
    }

    #[cfg(test)]
    fn is_full(&self) -> bool {
        self.full.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many refusals the log tells of at once, by the second at which each comes.
    fn unlogged(log: &FullLog) -> u64 {
        log.full.as_ref().map_or(0, |full| full.unlogged)
    }

    #[test]
    fn a_full_store_is_told_of_once_a_minute_and_when_it_is_over() {
        let (mut log, began) = (FullLog::default(), Instant::now());
        let at = |seconds: u64| began + Duration::from_secs(seconds);
        log.refused(None, "", at(0));
        assert_eq!((log.is_full(), unlogged(&log)), (true, 0));
        for second in 1..60 {
            log.refused(None, "", at(second));
        }
        assert_eq!(unlogged(&log), 59);
        log.refused(None, "", at(60));
        assert_eq!(unlogged(&log), 0);
        log.has_room(String::new, at(64));
        assert!(log.is_full(), "somebody was refused just before");
        log.has_room(String::new, at(65));
        assert!(!log.is_full());
        log.refused(None, "", at(66));
        assert!(log.is_full());
    }
}
