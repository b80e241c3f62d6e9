//! The threads that ask the database of documents, each with a connection of its own: one that fetches, renews and lets go, and one
//! that writes. With SQLite, which has one writer at a time, both are the same. A connection is made when it is first needed.

mod asks;
mod connection;
mod lane;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use crossbeam_channel::{Sender, unbounded};

use self::asks::Ask;
pub(super) use self::connection::StoreConnection;
use self::lane::{Job, Lane};
use super::{Address, Documents, Entry, FetchError, Fetched, HomeId, Lost, Reply, Unavailable};
use crate::account::service::breaker::Breaker;
use crate::account::store::Stores;
use crate::metrics::DocumentMetrics;
use crate::sys;
use crate::threads;

/// Documents that may be asked for at once; one more is refused as if the database were away.
const MAX_ASKED: usize = 20_000;

/// The database of documents, on threads of its own. They end when this is dropped, once what was asked for is done.
pub struct DocumentService {
    homes: Sender<Job>,
    writes: Sender<Job>,
    /// Documents that are being fetched.
    asked: Arc<AtomicUsize>,
}

impl DocumentService {
    /// Starts the threads.
    ///
    /// # Errors
    /// The system starts no thread.
    pub fn start(stores: &Stores, metrics: &DocumentMetrics) -> io::Result<Self> {
        let breaker = Arc::new(Breaker::default());
        let asked = Arc::new(AtomicUsize::new(0));
        let start = |name: &str| {
            let (sender, jobs) = unbounded();
            let connection = StoreConnection::new(stores.clone(), breaker.clone(), metrics.clone());
            let lane = Lane::new(jobs, connection, metrics.clone(), asked.clone());
            threads::lasting(name).spawn(move || {
                // Players who have nothing to do with documents do not wait for them where cores are few.
                sys::lower_priority();
                lane.run();
            })?;
            Ok::<_, io::Error>(sender)
        };
        let homes = start("documents")?;
        let writes = if stores.has_one_writer() { homes.clone() } else { start("document-writer")? };
        Ok(Self { homes, writes, asked })
    }
}

/// The threads outlive all who ask: they end when the last of these senders is gone.
fn give(lane: &Sender<Job>, job: Job) {
    if let Err(refused) = lane.send(job) {
        refused.into_inner().refuse();
    }
}

impl Documents for DocumentService {
    fn fetch(&self, mut addresses: Vec<Address>, home: &HomeId, reply: Reply<Fetched>) {
        addresses.sort();
        addresses.dedup();
        let asked = self.asked.fetch_add(addresses.len(), Ordering::Relaxed);
        if asked + addresses.len() > MAX_ASKED {
            self.asked.fetch_sub(addresses.len(), Ordering::Relaxed);
            let refused = addresses.into_iter().map(|address| (address, Err(FetchError::Unavailable)));
            return reply(refused.collect());
        }
        give(&self.homes, Job::Fetch(Ask::new(addresses, home.clone(), reply, Instant::now())));
    }

    fn write(&self, entries: Vec<Entry>, home: &HomeId, reply: Reply<Result<Vec<Lost>, Unavailable>>) {
        give(&self.writes, Job::Write { entries, home: home.clone(), reply });
    }

    fn renew(&self, home: &HomeId, reply: Reply<Result<Vec<Address>, Unavailable>>) {
        give(&self.homes, Job::Renew { home: home.clone(), reply });
    }

    fn let_go(&self, addresses: Vec<Address>, home: &HomeId) {
        give(&self.homes, Job::LetGo { addresses, home: home.clone() });
    }

    fn release(&self, addresses: Vec<Address>, home: &HomeId, reply: Reply<Result<(), Unavailable>>) {
        give(&self.homes, Job::Release { addresses, home: home.clone(), reply });
    }

    fn retire(&self, home: &HomeId, reply: Reply<Result<(), Unavailable>>) {
        give(&self.homes, Job::Retire { home: home.clone(), reply });
    }
}
