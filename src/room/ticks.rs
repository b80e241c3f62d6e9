//! Scripts that run in the room at an interval, while it has members: when this process asks the store for them. Whether they are due
//! the store says, as other processes may ask, too. One that finds the work done asks less often.

use std::sync::Arc;

use super::action::RoomAction;
use super::{Room, Round};
use crate::script::{Script, ScriptSet};
use crate::state::ticks::Tick;

/// Longest time that is waited beyond the interval while another process does the work: it may end.
const LONGEST_BACKOFF_MS: u64 = 1000;
/// Inputs wait for a tick that is due within this, so that they go together.
const NEAR_MS: u64 = 4;

/// The tick scripts of a room.
#[derive(Debug, Default)]
pub(super) struct Ticks {
    list: Vec<Ticking>,
    /// Of the set of scripts that they are of; 0 while nobody is in the room.
    generation: u64,
}

#[derive(Debug)]
struct Ticking {
    script: Arc<Script>,
    /// When the store is asked next.
    due_ms: u64,
    /// Whether it is being asked.
    is_out: bool,
    /// Whether it has been asked.
    has_begun: bool,
    /// How often in a row another process had done it.
    lost: u32,
}

impl Ticks {
    /// Whether one is to be asked for by now.
    pub(super) fn are_due(&self, now_ms: u64) -> bool {
        self.list.iter().any(|tick| !tick.is_out && tick.due_ms <= now_ms)
    }

    /// Whether one will be in a moment.
    pub(super) fn are_near(&self, now_ms: u64) -> bool {
        self.are_due(now_ms + NEAR_MS)
    }

    /// Takes those that are to be asked for by now.
    pub(super) fn take_due(&mut self, now_ms: u64) -> Vec<Arc<Script>> {
        let due = self.list.iter_mut().filter(|tick| !tick.is_out && tick.due_ms <= now_ms);
        due.map(|tick| {
            tick.is_out = true;
            tick.script.clone()
        })
        .collect()
    }

    /// Nobody is there.
    fn stop(&mut self) {
        *self = Self::default();
    }

    /// Takes over another set of scripts. What goes on at the same interval keeps its time.
    fn follow(&mut self, scripts: &ScriptSet, now_ms: u64) {
        let known = std::mem::take(&mut self.list);
        let follow = |script: &Arc<Script>| {
            let script = script.clone();
            match known.iter().find(|known| known.script.name == script.name) {
                Some(known) if known.script.header.tick_ms == script.header.tick_ms => {
                    Ticking { script, ..*known }
                }
                // The store reckons anew.
                known => Ticking {
                    script,
                    due_ms: now_ms,
                    is_out: known.is_some_and(|known| known.is_out),
                    has_begun: false,
                    lost: 0,
                },
            }
        };
        self.list = scripts.ticking().into_iter().map(follow).collect();
        self.generation = scripts.generation;
    }

    /// A script was asked for; this is what the store said, if it did. Returns when it is asked next.
    fn answered(&mut self, script: &Script, tick: Option<Tick>, now_ms: u64) -> Option<u64> {
        let ticking = self.list.iter_mut().find(|known| known.script.name == script.name)?;
        let interval_ms = ticking.script.header.tick_ms.map_or(LONGEST_BACKOFF_MS, |ms| ms.get().into());
        ticking.is_out = false;
        if ticking.script.header.tick_ms != script.header.tick_ms {
            // It was asked for by an interval of before.
            ticking.due_ms = now_ms;
            return Some(now_ms);
        }
        let wait_ms = match tick {
            Some(Tick { passed_ms: None, wait_ms, .. }) if ticking.has_begun && wait_ms * 2 > interval_ms => {
                ticking.lost = (ticking.lost + 1).min(16);
                wait_ms + (interval_ms << ticking.lost).min(LONGEST_BACKOFF_MS.max(interval_ms))
            }
            Some(tick) => {
                ticking.lost = 0;
                tick.wait_ms
            }
            None => interval_ms,
        };
        ticking.has_begun |= tick.is_some();
        ticking.due_ms = now_ms + wait_ms;
        Some(ticking.due_ms)
    }
}

impl Room {
    /// Ticks go on while somebody is there, by the scripts of now.
    pub(super) fn follow_ticks(&mut self, round: Round<'_>) {
        if self.members.is_empty() {
            if self.ticks.generation != 0 {
                self.ticks.stop();
            }
        } else if self.ticks.generation != round.scripts.generation {
            self.ticks.follow(round.scripts, round.now_ms);
        }
    }

    /// What the store said of a tick, if it did.
    pub(super) fn tick_done(
        &mut self,
        script: &Script,
        tick: Option<Tick>,
        round: Round<'_>,
        actions: &mut Vec<RoomAction>,
    ) {
        if let Some(Tick { passed_ms: Some(_), left_out, .. }) = tick {
            actions.push(RoomAction::Ticked { left_out });
        }
        if let Some(due_ms) = self.ticks.answered(script, tick, round.now_ms) {
            self.rhythm.align(due_ms);
            actions.push(RoomAction::WakeAt(due_ms));
        }
    }
}
