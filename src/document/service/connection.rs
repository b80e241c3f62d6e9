//! A thread's connection to the database: made when it is needed, and left alone for a moment when the database does not answer.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::account::records::{StoreFault, StoreResult};
use crate::account::service::breaker::{Breaker, BreakerVerdict};
use crate::account::store::Stores;
use crate::document::Unavailable;
use crate::document::store::{self, DocumentStore};
use crate::metrics::DocumentMetrics;

/// How often a failure that goes on is logged.
const LOG_EVERY: Duration = Duration::from_secs(10);

pub(in crate::document) struct StoreConnection {
    stores: Stores,
    store: Option<Box<dyn DocumentStore>>,
    breaker: Arc<Breaker>,
    metrics: DocumentMetrics,
    /// When it was last logged that the database fails; none while it does not.
    failing_since_log: Option<Instant>,
}

impl StoreConnection {
    pub(in crate::document) fn new(stores: Stores, breaker: Arc<Breaker>, metrics: DocumentMetrics) -> Self {
        Self { stores, store: None, breaker, metrics, failing_since_log: None }
    }

    /// Asks the database, unless others wait for it in vain.
    pub(in crate::document) fn ask<T>(
        &mut self,
        question: impl FnOnce(&mut dyn DocumentStore) -> StoreResult<T>,
    ) -> Result<T, Unavailable> {
        let asked_at = Instant::now();
        let pass = self.breaker.begin(asked_at).ok_or(Unavailable)?;
        let answer = self.connected().and_then(question);
        let verdict = match &answer {
            Err(StoreFault::Unavailable(_)) => BreakerVerdict::Unavailable { waited: asked_at.elapsed() },
            Ok(_) | Err(StoreFault::Broken(_) | StoreFault::Unlogged(_) | StoreFault::Held(_)) => {
                BreakerVerdict::Answered
            }
        };
        self.breaker.end(pass, Instant::now(), verdict);
        self.metrics.away.set(i64::from(self.breaker.is_open()));
        answer.inspect(|_| self.works()).map_err(|fault| self.fails(&fault))
    }

    fn connected(&mut self) -> StoreResult<&mut dyn DocumentStore> {
        let store = match self.store.take() {
            Some(store) => store,
            None => store::connect(&self.stores)?,
        };
        Ok(&mut **self.store.insert(store))
    }

    fn works(&mut self) {
        if self.failing_since_log.take().is_some() {
            log::info!("the database of documents is there again");
        }
    }

    fn fails(&mut self, fault: &StoreFault) -> Unavailable {
        if self.failing_since_log.is_none_or(|logged_at| logged_at.elapsed() >= LOG_EVERY) {
            let words = fault.words();
            log::error!("the database of documents fails: {words}");
            self.failing_since_log = Some(Instant::now());
        }
        Unavailable
    }
}
