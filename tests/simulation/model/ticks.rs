//! When a room's tick script runs: once an interval, on a grid that begins when it was first asked for.

use super::{Applying, Model, Outcome};
use crate::state::{Arguments, Batch, Call};

/// In milliseconds of the store's clock.
#[derive(Clone)]
pub(super) struct Beat {
    began_ms: u64,
    last_ms: u64,
    /// When it has run.
    runs_ms: Vec<u64>,
}

/// The places of a batch's ticks.
pub(super) fn places(batch: &Batch) -> Vec<usize> {
    let calls = batch.calls.iter().enumerate();
    calls.filter(|(_, call)| matches!(call.arguments, Arguments::Tick)).map(|(place, _)| place).collect()
}

impl Applying<'_> {
    pub(super) fn tick(&mut self, call: &Call) -> Outcome {
        let (now_ms, interval_ms) =
            (self.unix_ms, call.script.header.tick_ms.map_or(1, |ms| ms.get().into()));
        let Some(beat) = &mut self.model.room(self.name).beat else {
            let beat = Beat { began_ms: now_ms, last_ms: now_ms, runs_ms: Vec::new() };
            self.model.room(self.name).beat = Some(beat);
            return Outcome::Skipped;
        };
        let intervals_until = |ms: u64| (ms - beat.began_ms) / interval_ms;
        if intervals_until(now_ms) == intervals_until(beat.last_ms) {
            return Outcome::Skipped;
        }
        let passed_ms = now_ms - beat.last_ms;
        beat.last_ms = now_ms;
        beat.runs_ms.push(now_ms);
        self.run_script(call, None, passed_ms)
    }
}

impl Model {
    /// How often a room's tick script has run since then.
    pub(in super::super) fn ticks_since(&self, room: &str, unix_ms: u64) -> usize {
        let beat = self.rooms.get(room).and_then(|room| room.beat.as_ref());
        beat.map_or(0, |beat| beat.runs_ms.iter().filter(|ms| **ms >= unix_ms).count())
    }
}
