//! Heartbeats: whether the server is still there, and whether what it says of the client's place is so.

/// Ids from here on are those of heartbeats.
pub(crate) const FIRST_ID: u64 = 1 << 40;

/// The heartbeat of one connection.
#[derive(Debug, Default)]
pub(crate) struct Heartbeat {
    count: u64,
    /// When the one that is not answered was sent.
    asked_ns: Option<u64>,
}

impl Heartbeat {
    /// The next one's message.
    pub(crate) fn ask(&mut self, now_ns: u64) -> String {
        self.count += 1;
        self.asked_ns = Some(now_ns);
        format!(r#"{{"action":"heartbeat","id":{}}}"#, FIRST_ID + self.count)
    }

    /// How long an answer has been missing.
    pub(crate) fn unanswered_ns(&self, now_ns: u64) -> Option<u64> {
        self.asked_ns.map(|asked_ns| now_ns.saturating_sub(asked_ns))
    }

    /// It was answered, or nobody waits for the answer.
    pub(crate) fn forget(&mut self) {
        self.asked_ns = None;
    }
}
