//! Other public keys in the place of those that are used, when their file changes.
//!
//! The file is read every few seconds, which is certain where events of the file system are not. It may be written while it is
//! read, so a change counts when a second look finds the same. One that is of no use changes nothing: the keys before it stay.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::keys::{KeyFileError, KeySet, read_text};
use super::{ExternalTokens, KeyFile};
use crate::threads::poller::{Occasions, Poller};

/// How often the file is read.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Looks from now on; none if there is no file to look at.
///
/// # Errors
/// When no thread can be started.
pub(crate) fn watch(tokens: Arc<ExternalTokens>) -> io::Result<Option<Poller>> {
    let Some(KeyFile { path, text_at_start }) = tokens.key_file.clone() else { return Ok(None) };
    let mut looks = Looks::after(text_at_start);
    let run = move |occasions: Occasions| {
        for occasion in occasions {
            take_up(&tokens, &path, looks.again(read_text(&path), occasion.is_asked()));
        }
    };
    Poller::start("key-watch", LOOK_EVERY, run).map(Some)
}

fn take_up(tokens: &ExternalTokens, file: &Path, look: Look) {
    match look {
        Look::Unchanged => {}
        Look::Changed(text) => match KeySet::parse(&text) {
            Ok(keys) => {
                let (used, passed_over) = (keys.keys.len(), keys.passed_over);
                tokens.replace_public(keys);
                log::info!("keys of another issuer are read keys={used} passed_over={passed_over}");
            }
            Err(reason) => refuse(&KeyFileError::new(file, reason)),
        },
        Look::Unreadable(error) => refuse(&error),
    }
}

fn refuse(error: &KeyFileError) {
    log::error!("the keys are not replaced, the ones before are used on: {error}");
}

/// What the looks before have found.
#[derive(Default)]
pub(super) struct Looks {
    /// What was last passed on.
    seen: Option<String>,
    /// A change that the next look is to find again.
    waiting: Option<String>,
    /// Why the file could not be read, which is told once.
    unreadable: Option<KeyFileError>,
}

/// What a look at the file came to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Look {
    Unchanged,
    Changed(String),
    Unreadable(KeyFileError),
}

impl Looks {
    /// The file held this when it was read for the first time.
    pub(super) fn after(text: String) -> Self {
        Self { seen: Some(text), ..Self::default() }
    }

    /// Looks at what was read. A change counts when it is what the last look found; `at_once` whatever is there counts.
    pub(super) fn again(&mut self, read: Result<String, KeyFileError>, at_once: bool) -> Look {
        match read {
            Ok(text) if at_once || self.waiting.as_ref() == Some(&text) => {
                *self = Self::after(text.clone());
                Look::Changed(text)
            }
            Ok(text) if self.seen.as_ref() == Some(&text) => {
                (self.waiting, self.unreadable) = (None, None);
                Look::Unchanged
            }
            Ok(text) => {
                (self.waiting, self.unreadable) = (Some(text), None);
                Look::Unchanged
            }
            Err(error) => {
                self.waiting = None;
                if !at_once && self.unreadable.as_ref() == Some(&error) {
                    return Look::Unchanged;
                }
                self.unreadable = Some(error.clone());
                Look::Unreadable(error)
            }
        }
    }
}
