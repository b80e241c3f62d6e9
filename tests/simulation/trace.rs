//! What has happened, as a number that tells two runs apart, and as lines if somebody is to read it.

/// A run's steps.
pub(super) struct Trace {
    hash: u64,
    lines: Option<Vec<String>>,
}

impl Trace {
    pub(super) fn new(is_recording: bool) -> Self {
        Self { hash: 0xcbf2_9ce4_8422_2325, lines: is_recording.then(Vec::new) }
    }

    /// Notes bytes that went somewhere.
    pub(super) fn bytes(&mut self, now_ms: u64, whose: usize, bytes: &[u8]) {
        let numbers = now_ms.to_le_bytes().into_iter().chain((whose as u64).to_le_bytes());
        for byte in numbers.chain(bytes.iter().copied()) {
            self.hash = (self.hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
        }
    }

    pub(super) fn line(&mut self, now_ms: u64, line: impl FnOnce() -> String) {
        if let Some(lines) = &mut self.lines {
            lines.push(format!("{now_ms:>6} {}", line()));
        }
    }

    pub(super) fn hash(&self) -> u64 {
        self.hash
    }

    pub(super) fn into_lines(self) -> Vec<String> {
        self.lines.unwrap_or_default()
    }
}
