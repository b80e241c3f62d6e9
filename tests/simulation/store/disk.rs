//! What a state file leaves on the disk when its process dies, or the power fails while it is written.

use std::fs;
use std::path::{Path, PathBuf};

/// A database and its write-ahead log.
pub(super) struct Disk {
    database: Vec<u8>,
    log: Vec<u8>,
}

impl Disk {
    pub(super) fn read(path: &Path) -> Self {
        // There may be no log yet.
        Self { database: fs::read(path).unwrap_or_default(), log: fs::read(log_of(path)).unwrap_or_default() }
    }

    /// Of what has been added to the log so many thousandths are there, and the rest is not. Returns whether something is missing.
    pub(super) fn cut_log(&mut self, before: &Self, thousandths: u64) -> bool {
        // What has gone over into the database was whole in the log by then, and a log that begins anew has its old end.
        let is_added = self.database == before.database && self.log.starts_with(&before.log);
        if !is_added {
            return false;
        }
        let added = self.log.len() - before.log.len();
        let there = added * thousandths.min(1000) as usize / 1000;
        self.log.truncate(before.log.len() + there);
        there < added
    }

    pub(super) fn write(&self, path: &Path) {
        fs::write(path, &self.database).expect("there is room for the simulation");
        fs::write(log_of(path), &self.log).expect("there is room for the simulation");
    }
}

fn log_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push("-wal");
    name.into()
}
