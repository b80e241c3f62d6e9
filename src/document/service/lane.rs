//! One thread of the service: what it is given, in order.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError};

use super::asks::{Ask, Asks};
use super::connection::StoreConnection;
use crate::account::service::unix_ms;
use crate::document::{Address, Entry, FetchError, HomeId, Lost, Reply, Unavailable};
use crate::metrics::DocumentMetrics;

/// How long a deleted document is remembered, so that no late save brings it back.
const REMEMBER_DELETED_MS: u64 = 90 * 24 * 3600 * 1000;
/// How often what is to be forgotten is, by a thread that writes.
const PURGE_EVERY: Duration = Duration::from_secs(10 * 60);
/// Lost saves that one transaction logs; the metric counts them all.
const LOGGED_LOST: usize = 10;
/// Documents that are kept to be let go while the database is away. Others that want them ask for those that are not kept.
const MAX_KEPT: usize = 100_000;

/// What a thread is given.
pub(super) enum Job {
    Fetch(Ask),
    Write { entries: Vec<Entry>, home: HomeId, reply: Reply<Result<Vec<Lost>, Unavailable>> },
    Renew { home: HomeId, reply: Reply<Result<Vec<Address>, Unavailable>> },
    LetGo { addresses: Vec<Address>, home: HomeId },
    Release { addresses: Vec<Address>, home: HomeId, reply: Reply<Result<(), Unavailable>> },
    Retire { home: HomeId, reply: Reply<Result<(), Unavailable>> },
}

impl Job {
    /// Answers that nothing is done any more.
    pub(super) fn refuse(self) {
        match self {
            Self::Fetch(ask) => _ = ask.fail(&FetchError::Unavailable),
            Self::Write { reply, .. } => reply(Err(Unavailable)),
            Self::Renew { reply, .. } => reply(Err(Unavailable)),
            Self::Release { reply, .. } | Self::Retire { reply, .. } => reply(Err(Unavailable)),
            Self::LetGo { .. } => {}
        }
    }
}

pub(super) struct Lane {
    jobs: Receiver<Job>,
    connection: StoreConnection,
    metrics: DocumentMetrics,
    asks: Asks,
    /// Documents that are being fetched, over all threads.
    asked: Arc<AtomicUsize>,
    /// What could not be let go yet.
    leaving: HashMap<HomeId, HashSet<Address>>,
    purged_at: Option<Instant>,
}

impl Lane {
    pub(super) fn new(
        jobs: Receiver<Job>,
        connection: StoreConnection,
        metrics: DocumentMetrics,
        asked: Arc<AtomicUsize>,
    ) -> Self {
        let (asks, leaving, purged_at) = (Asks::default(), HashMap::new(), None);
        Self { jobs, connection, metrics, asks, asked, leaving, purged_at }
    }

    /// Works until nobody asks any more.
    pub(super) fn run(mut self) {
        loop {
            let next = match self.asks.next_due() {
                Some(due) => self.jobs.recv_deadline(due),
                None => self.jobs.recv().map_err(|_| RecvTimeoutError::Disconnected),
            };
            match next {
                Ok(job) => {
                    self.take(job);
                    // Fetches that wait behind each other are asked for together.
                    while let Ok(job) = self.jobs.try_recv() {
                        self.take(job);
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            self.ask();
        }
        self.count_ended(|asks| asks.fail_all());
    }

    fn take(&mut self, job: Job) {
        if let Job::Fetch(ask) = job {
            if let Some(leaving) = self.leaving.get_mut(ask.home()) {
                leaving.retain(|address| !ask.missing().contains(address));
            }
            return self.asks.push(ask);
        }
        // In order: what was asked for before is fetched before.
        self.ask();
        match job {
            Job::Fetch(_) => {}
            Job::Write { entries, home, reply } => {
                reply(self.write(&entries, &home));
                self.purge();
            }
            Job::Renew { home, reply } => {
                self.let_go(Vec::new(), &home);
                reply(self.connection.ask(|store| store.renew(&home)));
            }
            Job::LetGo { addresses, home } => self.let_go(addresses, &home),
            Job::Release { addresses, home, reply } => {
                reply(self.connection.ask(|store| store.let_go(&home, &addresses)));
            }
            Job::Retire { home, reply } => {
                self.leaving.remove(&home);
                reply(self.connection.ask(|store| store.retire(&home)));
            }
        }
    }

    /// Asks the database for what is due.
    fn ask(&mut self) {
        let now = Instant::now();
        while let Some((home, addresses)) = self.asks.due(now) {
            let asked_at = Instant::now();
            let answer = self.connection.ask(|store| store.fetch(&home, &addresses));
            self.metrics.fetches.inc();
            self.metrics.fetch_time.observe(asked_at.elapsed());
            match answer {
                Ok(answer) => {
                    let found = answer.iter().filter(|(_, document)| document.is_some()).count();
                    self.metrics.fetched.inc_by(found as u64);
                    self.count_ended(|asks| asks.answered(&home, answer, now));
                }
                Err(Unavailable) => self.count_ended(|asks| asks.failed(now)),
            }
        }
    }

    fn count_ended(&mut self, end: impl FnOnce(&mut Asks) -> usize) {
        let ended = end(&mut self.asks);
        self.asked.fetch_sub(ended, Ordering::Relaxed);
    }

    fn write(&mut self, entries: &[Entry], home: &HomeId) -> Result<Vec<Lost>, Unavailable> {
        let began = Instant::now();
        let lost = self.connection.ask(|store| store.write(home, entries))?;
        self.metrics.write_time.observe(began.elapsed());
        self.metrics.transactions.inc();
        let saves: usize = entries.iter().map(|entry| entry.saves.len()).sum();
        self.metrics.saved.inc_by((saves - lost.len()) as u64);
        self.metrics.lost.inc_by(lost.len() as u64);
        for Lost { address, version } in lost.iter().take(LOGGED_LOST) {
            log::error!(
                "a save is lost, as another store has the document or its ledger an entry of that key document={address} version={version}"
            );
        }
        if lost.len() > LOGGED_LOST {
            log::error!("more saves are lost count={}", lost.len() - LOGGED_LOST);
        }
        Ok(lost)
    }

    /// Lets these documents go, and what could not be let go before.
    fn let_go(&mut self, addresses: Vec<Address>, home: &HomeId) {
        let mut leaving = self.leaving.remove(home).unwrap_or_default();
        leaving.extend(addresses);
        if leaving.is_empty() {
            return;
        }
        let addresses: Vec<Address> = leaving.into_iter().collect();
        if self.connection.ask(|store| store.let_go(home, &addresses)).is_err() {
            self.leaving.insert(home.clone(), addresses.into_iter().take(MAX_KEPT).collect());
        }
    }

    fn purge(&mut self) {
        if self.purged_at.is_some_and(|purged_at| purged_at.elapsed() < PURGE_EVERY) {
            return;
        }
        let before_ms = unix_ms().saturating_sub(REMEMBER_DELETED_MS);
        if self.connection.ask(|store| store.purge(before_ms)).is_ok() {
            self.purged_at = Some(Instant::now());
        }
    }
}
