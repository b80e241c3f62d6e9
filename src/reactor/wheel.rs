//! A deadline wheel: one entry per connection, checked lazily. A connection whose deadline moved later is found early
//! and put back; only a deadline that moves earlier needs a new entry.

/// Deadlines in slots of [`Wheel::SLOT_MS`].
#[derive(Debug)]
pub(super) struct Wheel {
    /// Indexes of connections. An entry of a connection that is gone finds nobody, or another one that is in no hurry.
    slots: Vec<Vec<u32>>,
    /// The first slot, counted from time 0, that has not been handled yet.
    next_slot: u32,
}

impl Wheel {
    /// How coarse deadlines are, in milliseconds: they are met up to this much late.
    pub(super) const SLOT_MS: u64 = 100;
    /// How far ahead an entry can be; later deadlines are looked at on the way.
    const SLOT_COUNT: u32 = 512;
    /// The slot of a connection that is in none.
    pub(super) const NOWHERE: u32 = u32::MAX;

    pub(super) fn new(now_ms: u64) -> Self {
        let slots = (0..Self::SLOT_COUNT).map(|_| Vec::new()).collect();
        Self { slots, next_slot: (now_ms / Self::SLOT_MS) as u32 }
    }

    /// Enters a deadline; returns the slot that it is in, counted from time 0.
    pub(super) fn enter(&mut self, index: u32, deadline_ms: u64) -> u32 {
        let slot = self.slot_of(deadline_ms);
        self.slots[(slot % Self::SLOT_COUNT) as usize].push(index);
        slot
    }

    /// The slot that [`Wheel::enter`] would use.
    pub(super) fn slot_of(&self, deadline_ms: u64) -> u32 {
        let wanted = u32::try_from(deadline_ms.div_ceil(Self::SLOT_MS)).unwrap_or(u32::MAX);
        wanted.clamp(self.next_slot, self.next_slot + Self::SLOT_COUNT - 1)
    }

    /// Takes the entries of the next slot whose time has come, with that slot's number.
    pub(super) fn take_due(&mut self, now_ms: u64) -> Option<(u32, Vec<u32>)> {
        while u64::from(self.next_slot) * Self::SLOT_MS <= now_ms {
            let slot = self.next_slot;
            self.next_slot += 1;
            let entries = std::mem::take(&mut self.slots[(slot % Self::SLOT_COUNT) as usize]);
            if !entries.is_empty() {
                return Some((slot, entries));
            }
        }
        None
    }

    /// When the next slot with an entry is due.
    pub(super) fn next_due_ms(&self) -> Option<u64> {
        (self.next_slot..self.next_slot + Self::SLOT_COUNT)
            .find(|slot| !self.slots[(slot % Self::SLOT_COUNT) as usize].is_empty())
            .map(|slot| u64::from(slot) * Self::SLOT_MS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_come_at_their_time_and_not_before() {
        let mut wheel = Wheel::new(1000);
        assert_eq!(wheel.next_due_ms(), None);
        let slot = wheel.enter(1, 1234);
        assert_eq!(wheel.next_due_ms(), Some(1300));
        assert_eq!(wheel.take_due(1299), None);
        assert_eq!(wheel.take_due(1300), Some((slot, vec![1])));
        assert_eq!(wheel.take_due(100_000), None);
    }

    #[test]
    fn the_past_is_due_now_and_the_far_future_within_the_wheel() {
        let mut wheel = Wheel::new(5000);
        wheel.enter(1, 0);
        assert_eq!(wheel.take_due(5000).unwrap().1, [1]);
        wheel.enter(2, u64::MAX);
        let horizon_ms = 5000 + u64::from(Wheel::SLOT_COUNT) * Wheel::SLOT_MS;
        assert_eq!(wheel.take_due(horizon_ms - 2 * Wheel::SLOT_MS), None);
        assert_eq!(wheel.take_due(horizon_ms).unwrap().1, [2]);
    }

    #[test]
    fn a_late_look_finds_every_slot_in_order() {
        let mut wheel = Wheel::new(0);
        for index in 0..5 {
            wheel.enter(index, u64::from(index) * 1000 + 1);
        }
        let found: Vec<u32> =
            std::iter::from_fn(|| wheel.take_due(10_000)).flat_map(|(_, indexes)| indexes).collect();
        assert_eq!(found, [0, 1, 2, 3, 4]);
    }
}
