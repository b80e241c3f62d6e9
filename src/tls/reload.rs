//! Another certificate in the place of the one that is shown, when the files change.
//!
//! The files are read every few seconds, which is certain where events of the file system are not: certbot replaces links, and
//! mounts in containers tell nothing. The two files are never written at once, so a change counts when a second look finds the
//! same.

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};

use super::certificate::{Texts, TlsError};
use super::server::{Look, TlsServer};
use crate::threads;
use crate::wire::http::http_date;

/// How often the files are read.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// The thread that looks; ends when stopped.
pub(crate) struct Reloader {
    look_now: Arc<Sender<()>>,
    thread: JoinHandle<()>,
}

impl Reloader {
    /// Looks from now on. `on_change` is called on its thread whenever another certificate is shown.
    ///
    /// # Errors
    /// When no thread can be started.
    pub(crate) fn start(
        server: Arc<TlsServer>,
        on_change: impl Fn(&TlsServer) + Send + 'static,
    ) -> io::Result<Self> {
        let (look_now, asked) = bounded(1);
        let run = move || watch(&server, &asked, on_change);
        let thread = threads::lasting("tls-watch").spawn(run)?;
        Ok(Self { look_now: Arc::new(look_now), thread })
    }

    /// What has the files looked at now, and taken as they are. It keeps nothing from ending.
    pub(crate) fn rereader(&self) -> impl Fn() + Send + 'static {
        let look_now = Arc::downgrade(&self.look_now);
        move || {
            if let Some(look_now) = look_now.upgrade() {
                // Full means that it is about to look.
                let _ = look_now.try_send(());
            }
        }
    }

    /// Ends the thread and waits for it.
    pub(crate) fn stop(self) {
        drop(self.look_now);
        // A panic was reported.
        let _ = self.thread.join();
    }
}

fn watch(server: &TlsServer, asked: &Receiver<()>, on_change: impl Fn(&TlsServer)) {
    let mut look = Looks::default();
    loop {
        let is_asked = match asked.recv_timeout(LOOK_EVERY) {
            Ok(()) => true,
            Err(RecvTimeoutError::Timeout) => false,
            Err(RecvTimeoutError::Disconnected) => return,
        };
        match look.again(server, is_asked) {
            Look::Unchanged if is_asked => log::info!("the certificate is the same as before"),
            Look::Unchanged => {}
            Look::Replaced => {
                log::info!(
                    "new connections get the new certificate, valid until {}",
                    http_date(server.ends_s())
                );
                on_change(server);
            }
            Look::Refused(error) => {
                log::error!("the certificate is not replaced, the old one serves on: {error}")
            }
        }
    }
}

/// What the last look found.
#[derive(Default)]
pub(super) struct Looks {
    /// A change that the next look is to find again.
    waiting: Option<Texts>,
    /// Files that could not be read, which is told once.
    unreadable: Option<TlsError>,
}

impl Looks {
    /// Looks at the files. What they hold counts when it is what the last look found, or at once when `at_once`.
    pub(super) fn again(&mut self, server: &TlsServer, at_once: bool) -> Look {
        match server.read_changed() {
            Ok(Some(texts)) if at_once || self.waiting.as_ref() == Some(&texts) => {
                *self = Self::default();
                server.show(texts)
            }
            Ok(changed) => {
                *self = Self { waiting: changed, unreadable: None };
                Look::Unchanged
            }
            Err(error) => {
                self.waiting = None;
                if !at_once && self.unreadable.as_ref() == Some(&error) {
                    return Look::Unchanged;
                }
                self.unreadable = Some(error.clone());
                Look::Refused(error)
            }
        }
    }
}
