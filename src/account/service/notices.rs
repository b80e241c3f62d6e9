//! Reads what other processes, and this one's workers, have written about users, and passes it on.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crossbeam_channel::Receiver;

use crate::account::records::{AccountStore, StoreResult};
use crate::account::revocations::Revocations;
use crate::session::disconnects::Disconnects;

/// How often the database is asked. News of other processes take this long at most, and must be there within 2 s.
const POLL_EVERY: Duration = Duration::from_millis(500);
/// How often what is over is removed.
const PURGE_EVERY: Duration = Duration::from_secs(10 * 60);
/// Notices read at once.
const PAGE: usize = 1000;

/// The reader of one process.
pub(super) struct Reader {
    store: Box<dyn AccountStore>,
    revocations: Arc<Revocations>,
    /// For how long an issued token may be taken, in seconds.
    token_s: u64,
    /// The last notice that was read.
    last: u64,
    purged_at: Option<Instant>,
    is_failing: bool,
}

impl Reader {
    /// Reads everything that is there.
    pub(super) fn start(
        store: Box<dyn AccountStore>,
        revocations: Arc<Revocations>,
        token_s: u64,
    ) -> StoreResult<Self> {
        let mut reader = Self { store, revocations, token_s, last: 0, purged_at: None, is_failing: false };
        reader.read(&|_| {})?;
        // After the notices: one that tells of a ban which has been lifted since must not have the last word.
        let bans = reader.store.bans(unix_ms() / 1000)?;
        reader.revocations.set_bans(bans);
        Ok(reader)
    }

    /// Reads until the process ends; at once when it is `poked`.
    pub(super) fn run(mut self, poked: &Receiver<()>, disconnect: impl Fn(Disconnects)) {
        loop {
            // Poked, or the time is up: both lead to the same. Without pokers it goes on by time.
            if poked.recv_timeout(POLL_EVERY) == Err(crossbeam_channel::RecvTimeoutError::Disconnected) {
                std::thread::sleep(POLL_EVERY);
            }
            match self.read(&disconnect).and_then(|()| self.purge()) {
                Ok(()) if self.is_failing => {
                    log::info!("the database of accounts is there again");
                    self.is_failing = false;
                }
                Ok(()) => {}
                Err(fault) if !self.is_failing => {
                    log::error!("bans and logouts of other processes arrive late: {fault}");
                    self.is_failing = true;
                }
                Err(_) => {}
            }
        }
    }

    fn read(&mut self, disconnect: &impl Fn(Disconnects)) -> StoreResult<()> {
        loop {
            let notices = self.store.notices(self.last, PAGE)?;
            let Some(last) = notices.last() else { return Ok(()) };
            self.last = last.id;
            let disconnects = self.revocations.apply(&notices);
            if !disconnects.is_empty() {
                disconnect(disconnects);
            }
        }
    }

    fn purge(&mut self) -> StoreResult<()> {
        if self.purged_at.is_some_and(|purged_at| purged_at.elapsed() < PURGE_EVERY) {
            return Ok(());
        }
        let now_ms = unix_ms();
        self.revocations.forget_old(now_ms);
        let keep_ms = self.token_s.saturating_mul(1000);
        self.store.purge(now_ms.saturating_sub(keep_ms), now_ms / 1000)?;
        self.purged_at = Some(Instant::now());
        Ok(())
    }
}

/// Milliseconds since the Unix epoch.
pub fn unix_ms() -> u64 {
    let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(unix.as_millis()).unwrap_or(u64::MAX)
}
