//! Kinds of clients.

use serde::{Deserialize, Serialize};

/// Kinds of clients that are steered and measured apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Group {
    /// Plays from the start to the end.
    Players,
    /// Comes (and goes) in a storm.
    Storm,
    Slow,
    /// Works on documents.
    Savers,
}

impl Group {
    /// All groups, in the order of their indexes.
    pub(crate) const ALL: [Self; 4] = [Self::Players, Self::Storm, Self::Slow, Self::Savers];

    /// Place in arrays that hold something for each group.
    pub(crate) fn index(self) -> usize {
        self as usize
    }
}
