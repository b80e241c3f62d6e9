//! The end of the process: in order, or at once.
//!
//! Whatever may wait for another thread does so on a thread of its own. So the main thread stays free to see a second signal, a
//! thread that dies and the time that runs out, and the process ends even if another of its threads never will.

use std::io;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Once};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, bounded};

use super::Server;
use crate::config::DrainLimits;
use crate::mailbox::MailboxSender;
use crate::reactor::{Ended, ShardMessage};
use crate::state::Engine;
use crate::threads;
use crate::threads::poller::Poller;

/// How long the accounts may take to finish what nobody waits for any more.
const ACCOUNTS_PATIENCE: Duration = Duration::from_secs(3);
/// How long the engine may take to keep its last changes when the process ends at once.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// Stops the engine once, whoever asks; all who ask wait for it.
pub(super) struct EngineEnd {
    engine: Arc<dyn Engine>,
    once: Once,
}

impl EngineEnd {
    pub(super) fn new(engine: Arc<dyn Engine>) -> Self {
        Self { engine, once: Once::new() }
    }

    fn stop(&self) {
        self.once.call_once(|| self.engine.stop());
    }

    /// As [`Engine::has_kept_all`].
    pub(super) fn has_kept_all(&self) -> bool {
        self.engine.has_kept_all()
    }

    /// Stops the engine as far as it takes no longer than a moment, so that what it was told last is kept.
    pub(super) fn stop_quickly(self: &Arc<Self>) {
        let engine = self.clone();
        if let Ok(stopped) = on_its_own("stop-engine", move || engine.stop()) {
            // Either way the process ends now.
            let _ = stopped.recv_timeout(LAST_WORDS);
        }
    }
}

impl Server {
    /// Begins to stop everything in order; a message comes when that is done.
    pub(super) fn begin_stop(self, limits: &DrainLimits) -> io::Result<Receiver<()>> {
        let limits = limits.clone();
        on_its_own("stop", move || self.stop(&limits))
    }

    fn stop(self, limits: &DrainLimits) {
        self.services.draining.store(true, Ordering::SeqCst);
        self.watcher.stop();
        self.pollers.into_iter().for_each(Poller::stop);
        drain(&self.posts, &self.ended, self.shared.admission.connections(), limits);
        tell(&self.posts, || ShardMessage::Stop);
        for shard in self.shards {
            // One that has panicked was reported.
            let _ = shard.join();
        }
        if !self.accounts.stop(ACCOUNTS_PATIENCE) {
            log::warn!("stopping although the accounts are busy: what is not done is lost");
        }
        self.engine.stop();
        log::info!("stopped");
    }
}

/// Asks the shards to close their connections, and waits until they have or the time is up.
fn drain(
    posts: &[MailboxSender<ShardMessage>],
    ended: &Receiver<Ended>,
    connections: usize,
    limits: &DrainLimits,
) {
    let deadline = Instant::now() + limits.deadline;
    // A handful of players need not wait for what thousands need.
    let spread = limits.close_spread.min(Duration::from_millis(connections as u64));
    tell(posts, || ShardMessage::Drain { spread_ms: spread.as_millis() as u64 });
    for _ in posts {
        if ended.recv_deadline(deadline).is_err() {
            return log::warn!("stopping although connections are open: the time is up");
        }
    }
}

fn tell(posts: &[MailboxSender<ShardMessage>], message: impl Fn() -> ShardMessage) {
    for post in posts {
        // A shard that is gone needs no word.
        let _ = post.post_blocking(message());
    }
}

/// Runs what may wait on a thread of its own; a message comes when it is done.
fn on_its_own(name: &str, run: impl FnOnce() + Send + 'static) -> io::Result<Receiver<()>> {
    let (done, is_done) = bounded(1);
    threads::passing(name).spawn(move || {
        run();
        // The main thread may wait no more.
        let _ = done.send(());
    })?;
    Ok(is_done)
}
