//! A room's latest events as the state file has them: JSON text.

use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use crate::state::{Audience, KeptEvents, RoomEvents, Users};
use crate::wire::ids::RoomId;

/// All events of a room behind `after`.
#[derive(Debug, Deserialize, Serialize)]
struct HistoryText {
    after: u64,
    runs: Vec<RunText>,
}

#[derive(Debug, Deserialize, Serialize)]
struct RunText {
    at_ms: u64,
    first_seq: u64,
    /// With commas between the events.
    text: String,
    ends: Vec<u32>,
    /// By their places.
    audiences: Vec<(u32, AudienceText)>,
    keys: Vec<(u32, SmolStr)>,
}

#[derive(Debug, Deserialize, Serialize)]
enum AudienceText {
    To(Vec<SmolStr>),
    Except(Vec<SmolStr>),
}

/// The text of a room's events.
pub(super) fn encode(kept: &KeptEvents) -> String {
    let runs = kept.runs.iter().map(|(at_ms, run)| RunText::of(*at_ms, run)).collect();
    serde_json::to_string(&HistoryText { after: kept.after, runs }).unwrap_or_default()
}

/// What [`encode`] has made a text of; nothing if it is no such text.
pub(super) fn decode(text: &str, room: &RoomId, epoch: u64) -> Option<KeptEvents> {
    let HistoryText { after, runs } = serde_json::from_str(text).ok()?;
    let runs = runs.into_iter().map(|run| Some((run.at_ms, Arc::new(run.into_events(room, epoch)?))));
    Some(KeptEvents { after, runs: runs.collect::<Option<_>>()? })
}

impl RunText {
    fn of(at_ms: u64, run: &RoomEvents) -> Self {
        let ids = |users: &Users| users.iter().cloned().collect();
        let audience = |(index, audience): &(u32, Audience)| match audience {
            Audience::Users(users) => (*index, AudienceText::To(ids(users))),
            Audience::AllBut(users) => (*index, AudienceText::Except(ids(users))),
        };
        Self {
            at_ms,
            first_seq: run.first_seq,
            text: String::from_utf8_lossy(&run.text).into_owned(),
            ends: run.ends.clone(),
            audiences: run.addressed.iter().map(audience).collect(),
            keys: run.replacing.clone(),
        }
    }

    fn into_events(self, room: &RoomId, epoch: u64) -> Option<RoomEvents> {
        let audience = |(index, text)| match text {
            AudienceText::To(ids) => (index, Audience::Users(ids.into_iter().collect())),
            AudienceText::Except(ids) => (index, Audience::AllBut(ids.into_iter().collect())),
        };
        let rise = self.ends.windows(2).all(|pair| pair[0] < pair[1]);
        let fit = self.ends.last().is_some_and(|end| *end as usize == self.text.len());
        let count = self.ends.len();
        let counts_on = self.first_seq.checked_add(count as u64).is_some();
        let are_placed = are_places(&self.audiences, count) && are_places(&self.keys, count);
        (rise && fit && counts_on && are_placed).then(|| RoomEvents {
            room: room.clone(),
            epoch,
            first_seq: self.first_seq,
            text: Bytes::from(self.text),
            ends: self.ends,
            addressed: self.audiences.into_iter().map(audience).collect(),
            replacing: self.keys,
            removals: Vec::new(),
        })
    }
}

/// Whether what is said of events is in their order, and of those that are there.
fn are_places<T>(entries: &[(u32, T)], count: usize) -> bool {
    entries.windows(2).all(|pair| pair[0].0 < pair[1].0)
        && entries.last().is_none_or(|(index, _)| (*index as usize) < count)
}
