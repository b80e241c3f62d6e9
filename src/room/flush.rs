//! What one flush of a room sends: one frame, encoded once and shared by every member.

use bytes::Bytes;

use super::events::RoomEvents;
use crate::wire::message;

/// A room's gathered events, ready to go out.
#[derive(Debug)]
pub struct Flush {
    /// The first event's `seq`.
    pub first_seq: u64,
    /// The last event's `seq`.
    pub last_seq: u64,
    /// The whole WebSocket frame with all of the events.
    pub frame: Bytes,
    /// Kept for members whose snapshot was taken in the middle of them.
    runs: Vec<RoomEvents>,
}

impl Flush {
    /// Encodes the frame. `runs` follow each other without gaps. Nothing is returned when they hold no event.
    pub fn new(mut runs: Vec<RoomEvents>) -> Option<Self> {
        runs.retain(|run| run.count() > 0);
        let first_seq = runs.first()?.first_seq;
        let last_seq = runs.last()?.last_seq();
        debug_assert!(runs.windows(2).all(|pair| pair[0].last_seq() + 1 == pair[1].first_seq));
        let frame = encode(&runs, 0)?;
        Some(Self { first_seq, last_seq, frame, runs })
    }

    /// How many events the frame holds.
    pub fn count(&self) -> u64 {
        self.last_seq + 1 - self.first_seq
    }

    /// The frame for a member that knows everything up to `seq`; nothing if there is nothing new for it.
    pub fn frame_after(&self, seq: u64) -> Option<Bytes> {
        if seq < self.first_seq {
            return Some(self.frame.clone());
        }
        encode(&self.runs, seq)
    }
}

fn encode(runs: &[RoomEvents], seq: u64) -> Option<Bytes> {
    let parts: Vec<(&[u8], u64)> =
        runs.iter().map(|run| run.text_after(seq)).filter(|(_, count)| *count > 0).collect();
    let count: u64 = parts.iter().map(|(_, count)| count).sum();
    let texts: Vec<&[u8]> = parts.iter().map(|(text, _)| *text).collect();
    (count > 0).then(|| message::batch_frame(&texts, count as usize))
}
