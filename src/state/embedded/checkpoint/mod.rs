//! The state file: keeps what the embedded store holds in SQLite, so that it survives the process.
//!
//! ```text
//! engine's thread                            state-file's thread
//! batch, batch, [checkpoint: changed keys encoded] ──► one transaction
//!        batch, batch, …                    ◄── written, or what is still to be written
//! ```
//!
//! A checkpoint is made between two batches, so no script's writes are ever torn: the file goes from one such moment to the next.
//! No commands here and no Lua.

mod changes;
mod checkpointer;
mod file;
pub(super) mod format;
mod history;
mod refusal;
mod schema;
mod writer;

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

pub(super) use changes::Member;
pub(super) use checkpointer::Checkpointer;
pub(super) use file::{Contents, StateFile};
pub use refusal::StateFileError;

use crate::metrics::Metrics;

/// What an engine goes on with.
#[derive(Debug)]
pub(super) struct Restored {
    /// What the file held.
    pub contents: Contents,
    pub checkpointer: Checkpointer,
}

/// Opens the state file, reads it, and starts the thread that writes it.
///
/// # Errors
/// When the file cannot be used, or the thread not be started; the file is unchanged then.
pub(super) fn restore(path: &Path, seed: u64, metrics: Arc<Metrics>) -> Result<Restored, StateFileError> {
    let began = Instant::now();
    let (mut file, mut contents) = StateFile::open(path, seed)?;
    if let Err(error) = file.forget_rooms() {
        log::warn!("the state file cannot be written now; rooms begin new histories error={error}");
        contents.positions.clear();
    }
    log::info!(
        "state file {} keys={} rooms={} left_members={} load_ms={}",
        path.display(),
        contents.keyspace.len(),
        contents.positions.len(),
        contents.members.len(),
        began.elapsed().as_millis()
    );
    contents.keyspace.track_changes(true);
    let writer = writer::start(file, metrics).map_err(|error| StateFileError::io(path, error))?;
    Ok(Restored { contents, checkpointer: Checkpointer::new(writer, began) })
}

#[cfg(any(test, fuzzing))]
#[path = "../../../../tests/fuzz/targets/state_file.rs"]
pub(crate) mod fuzz;

#[cfg(test)]
mod tests;
