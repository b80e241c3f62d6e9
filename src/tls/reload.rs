//! Another certificate in the place of the one that is shown, when the files change.
//!
//! The files are read every few seconds, which is certain where events of the file system are not: certbot replaces links, and
//! mounts in containers tell nothing. The two files are never written at once, so a change counts when a second look finds the
//! same.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use super::certificate::{Texts, TlsError};
use super::server::{Look, TlsServer};
use crate::threads::poller::{Occasion, Poller};
use crate::wire::http::http_date;

/// How often the files are read.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Looks from now on. `on_change` is called on its thread whenever another certificate is shown.
///
/// # Errors
/// When no thread can be started.
pub(crate) fn watch(
    server: Arc<TlsServer>,
    on_change: impl Fn(&TlsServer) + Send + 'static,
) -> io::Result<Poller> {
    Poller::start("tls-watch", LOOK_EVERY, move |occasions| {
        let mut looks = Looks::default();
        for occasion in occasions {
            look(&server, &mut looks, occasion, &on_change);
        }
    })
}

fn look(server: &TlsServer, looks: &mut Looks, occasion: Occasion, on_change: &impl Fn(&TlsServer)) {
    match looks.again(server, occasion.is_asked()) {
        Look::Unchanged if occasion.is_asked() => log::info!("the certificate is the same as before"),
        Look::Unchanged => {}
        Look::Replaced => {
            log::info!("new connections get the new certificate, valid until {}", http_date(server.ends_s()));
            on_change(server);
        }
        Look::Refused(error) => {
            log::error!("the certificate is not replaced, the old one serves on: {error}")
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
