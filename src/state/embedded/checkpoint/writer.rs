//! The thread that writes the state file: checkpoints in, one at a time; answers out.

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded};

use super::changes::{Checkpoint, InputChanges, MemberChanges};
use super::file::StateFile;
use crate::metrics::Metrics;
use crate::threads;
use godra_engine::keyspace::Changes;

/// How often a failure that lasts is logged.
const REPORT_EVERY: Duration = Duration::from_secs(30);

/// What became of a checkpoint.
#[derive(Debug)]
pub(crate) enum Answer {
    /// It is in the file; here is memory to use again.
    Written(Vec<u8>),
    /// It is not, and all of this is still to be written.
    Failed(Changes, MemberChanges, InputChanges),
}

/// The other side of the thread.
#[derive(Debug)]
pub(crate) struct WriterLink {
    /// Takes a checkpoint when the answer to the one before has come. Closing it ends the thread and the file.
    pub checkpoints: Sender<Checkpoint>,
    /// An answer for each checkpoint.
    pub answers: Receiver<Answer>,
    /// Ends when the file is closed.
    pub thread: JoinHandle<()>,
}

/// Starts the thread.
///
/// # Errors
/// When it cannot be started.
pub(super) fn start(file: StateFile, metrics: Arc<Metrics>) -> io::Result<WriterLink> {
    let (sender, checkpoints) = bounded(1);
    let (answer_sender, answers) = bounded(1);
    let mut writer = Writer { file, metrics, failing: None };
    let thread = threads::lasting("state-file").spawn(move || {
        for checkpoint in &checkpoints {
            // The engine may have given up waiting.
            let _ = answer_sender.send(writer.write(checkpoint));
        }
    })?;
    Ok(WriterLink { checkpoints: sender, answers, thread })
}

struct Writer {
    file: StateFile,
    metrics: Arc<Metrics>,
    failing: Option<Failing>,
}

/// Since when nothing could be written, and when that was last logged.
struct Failing {
    since: Instant,
    reported_at: Instant,
}

impl Writer {
    fn write(&mut self, checkpoint: Checkpoint) -> Answer {
        let started = Instant::now();
        match self.file.write(&checkpoint) {
            Ok(()) => {
                self.metrics.state_file_writes.inc();
                self.metrics.state_file_write_time.observe(started.elapsed());
                self.report_recovery();
                Answer::Written(checkpoint.into_buffer())
            }
            Err(error) => {
                self.metrics.state_file_errors.inc();
                self.report_failure(&error, checkpoint.len());
                let (changes, members, inputs) = checkpoint.into_changes();
                Answer::Failed(changes, members, inputs)
            }
        }
    }

    fn report_failure(&mut self, error: &rusqlite::Error, keys: usize) {
        let now = Instant::now();
        let failing = self.failing.get_or_insert(Failing { since: now, reported_at: now });
        if failing.since == now || now.duration_since(failing.reported_at) >= REPORT_EVERY {
            failing.reported_at = now;
            log::error!(
                "the state file cannot be written, and is tried again until it can error={error} keys={keys}"
            );
        }
    }

    fn report_recovery(&mut self) {
        if let Some(failing) = self.failing.take() {
            log::info!(
                "the state file is written again failed_for_ms={}",
                failing.since.elapsed().as_millis()
            );
        }
    }
}
