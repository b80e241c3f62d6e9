//! Where the tick scripts of all rooms are.

use std::collections::HashMap;
use std::num::NonZeroU32;

use crate::state::ticks::{Beat, LONGEST_PAUSE_MS, Tick};
use crate::wire::ids::RoomId;

/// By room, each script's by its name.
#[derive(Debug, Default)]
pub(super) struct Ticks(HashMap<RoomId, Vec<(Box<str>, Beat)>>);

impl Ticks {
    /// Somebody asks for a tick of a script in a room. It counts, whatever comes of the call.
    pub(super) fn tick(&mut self, room: &RoomId, script: &str, interval_ms: NonZeroU32, now_ms: u64) -> Tick {
        // Looked up twice, so that a room that is there costs no clone of its id.
        if !self.0.contains_key(room) {
            self.0.insert(room.clone(), Vec::new());
        }
        let beats = self.0.get_mut(room).expect("inserted above");
        let known = beats.iter_mut().find(|(name, _)| **name == *script);
        let (beat, tick) = Beat::tick(known.as_ref().map(|(_, beat)| *beat), interval_ms, now_ms);
        match known {
            Some((_, known)) => *known = beat,
            None => beats.push((script.into(), beat)),
        }
        tick
    }

    /// Forgets those that would begin anew.
    pub(super) fn forget_unused(&mut self, now_ms: u64) {
        let is_used = |(_, beat): &(Box<str>, Beat)| {
            let longest_ms = LONGEST_PAUSE_MS + u64::from(beat.interval_ms.get());
            now_ms.saturating_sub(beat.last_ms) <= longest_ms
        };
        self.0.retain(|_, beats| {
            beats.retain(is_used);
            !beats.is_empty()
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rooms_and_scripts_tick_apart_and_are_forgotten_when_nobody_asks() {
        let [one, other] = ["one", "other"].map(|id| RoomId::parse(id).unwrap());
        let interval = NonZeroU32::new(100).unwrap();
        let mut ticks = Ticks::default();
        let ask =
            |ticks: &mut Ticks, room, script, now_ms| ticks.tick(room, script, interval, now_ms).passed_ms;
        assert_eq!(ask(&mut ticks, &one, "a", 1000), None);
        assert_eq!(ask(&mut ticks, &other, "a", 1050), None);
        assert_eq!(ask(&mut ticks, &one, "b", 1090), None);
        assert_eq!(ask(&mut ticks, &one, "a", 1100), Some(100));
        assert_eq!(ask(&mut ticks, &other, "a", 1100), None);
        assert_eq!(ask(&mut ticks, &one, "b", 1190), Some(100));
        ticks.forget_unused(1151 + LONGEST_PAUSE_MS);
        assert_eq!(ticks.0.keys().collect::<Vec<_>>(), [&one]);
        ticks.forget_unused(1291 + LONGEST_PAUSE_MS);
        assert!(ticks.0.is_empty());
    }
}
