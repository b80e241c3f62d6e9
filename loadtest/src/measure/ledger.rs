//! What must have become of clients' numbered inputs in the end, in a form that travels between processes.

use serde::{Deserialize, Serialize};

/// What must have become of an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    Once,
    Never,
    /// The store has lost its data since, and maybe the input with it.
    AtMostOnce,
}

/// What must have become of one client's inputs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Ledger {
    pub room_id: String,
    pub user_id: String,
    /// A character for each input: `1`, `0` or `?`, see [`Due`].
    dues: String,
}

impl Ledger {
    pub(crate) fn new(room_id: &str, user_id: &str, dues: impl Iterator<Item = Due>) -> Self {
        let dues = dues.map(|due| match due {
            Due::Once => '1',
            Due::Never => '0',
            Due::AtMostOnce => '?',
        });
        Self { room_id: room_id.into(), user_id: user_id.into(), dues: dues.collect() }
    }

    /// What is due for each input, number 1 first.
    pub(crate) fn dues(&self) -> impl Iterator<Item = Due> {
        self.dues.bytes().map(|due| match due {
            b'1' => Due::Once,
            b'0' => Due::Never,
            _ => Due::AtMostOnce,
        })
    }
}
