//! Account workers: a small pool of threads that hash passwords and ask the database, so that no event loop waits.
//!
//! The queue before them is bounded. A call that finds it full, or has waited in it for too long, is answered 503: a
//! login is answered within seconds, one way or the other. Each worker holds one connection to the database, and hashes
//! one password at a time, so that the memory that hashing takes is bounded too.

pub(crate) mod breaker;
mod defence;
mod failure;
mod guests;
mod identities;
mod leaving;
mod linking;
mod logins;
mod managing;
mod notices;
mod renaming;
mod resets;
mod sessions;
mod upgrade;
mod worker;

use std::convert::Infallible;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TrySendError, bounded};

use self::breaker::Breaker;
use self::defence::Defence;
pub use self::notices::unix_ms;
use self::worker::{AccountWorker, WorkerState};
use super::device::DeviceLogins;
use super::external::ExternalTokens;
use super::password;
use super::records::StoreFault;
use super::reserved::ReservedNames;
use super::revocations::Revocations;
use super::store::Stores;
use super::token::TokenAuthority;
use crate::metrics::{AccountMetrics, AccountOutcome};
use crate::session::Rejection;
use crate::session::account::{AccountReply, AccountRequest, AccountResult, Accounts};
use crate::session::disconnects::Disconnects;
use crate::sys;
use crate::threads;
use crate::wire::ErrorCode;

/// Seconds after which whoever found the queue full may try again.
const RETRY_FULL_S: u32 = 2;

/// How the workers work.
#[derive(Clone, Debug)]
pub struct ServiceOptions {
    /// Threads that hash and ask the database, each with a connection of its own.
    pub workers: usize,
    /// Calls that wait; above it 503 `busy`.
    pub queue_capacity: usize,
    /// How long a call may wait; after it 503 `busy`.
    pub longest_wait: Duration,
    /// How long a refresh token is good.
    pub refresh_ttl: Duration,
    /// How long a code for another password is good.
    pub reset_ttl: Duration,
    /// Names that nobody can choose.
    pub reserved_names: ReservedNames,
    /// Who logs in without a password.
    pub identities: IdentityOptions,
}

/// Other ways to log in than by a password.
#[derive(Clone, Debug, Default)]
pub struct IdentityOptions {
    /// Whose tokens are taken, if anybody's are.
    pub external: Option<Arc<ExternalTokens>>,
    /// Which devices log in.
    pub devices: DeviceLogins,
}

/// The worker threads and the bounded queue in front of them.
pub struct AccountService {
    jobs: Sender<WorkerCommand>,
    metrics: AccountMetrics,
    workers: usize,
    is_stopping: AtomicBool,
    /// Each worker holds the other end for as long as it lives.
    ended: Receiver<Infallible>,
}

/// What a worker takes from the queue.
enum WorkerCommand {
    Call(Job),
    End,
}

/// A call in the queue.
struct Job {
    request: AccountRequest,
    reply: AccountReply,
    queued_at: Instant,
}

/// Why the workers did not start.
#[derive(Debug)]
pub enum StartError {
    /// The database of accounts cannot be used.
    Store(StoreFault),
    /// No thread, or no memory to hash with.
    System(io::Error),
}

impl AccountService {
    /// Reads who is kept out into `revocations`, and starts the workers and the reader of notices, which gives what
    /// concerns open sockets to `disconnect`. The reader's thread ends with the process.
    ///
    /// # Errors
    /// The database cannot be used now, or a thread cannot be started.
    pub fn start(
        options: &ServiceOptions,
        stores: &Stores,
        tokens: Arc<TokenAuthority>,
        revocations: Arc<Revocations>,
        metrics: AccountMetrics,
        disconnect: impl Fn(Disconnects) + Send + 'static,
    ) -> Result<Self, StartError> {
        let (poke, poked) = bounded(1);
        let store = stores.connect().map_err(StartError::Store)?;
        let reader = notices::Reader::start(store, revocations.clone(), tokens.longest_s())
            .map_err(StartError::Store)?;
        spawn("notices", move || reader.run(&poked, disconnect))?;
        let shared = Arc::new(WorkerState {
            tokens,
            revocations,
            defence: Mutex::new(Defence::default()),
            breaker: Breaker::default(),
            dummy_hash: password::dummy_hash()
                .map_err(|fault| StartError::System(io::Error::other(fault)))?,
            refresh_ttl_s: options.refresh_ttl.as_secs(),
            reserved_names: options.reserved_names.clone(),
            identities: options.identities.clone(),
            reset_ttl_s: options.reset_ttl.as_secs(),
            started: Instant::now(),
            metrics: metrics.clone(),
            poke,
        });
        let (jobs, queue) = bounded(options.queue_capacity);
        let (alive, ended) = bounded(0);
        for number in 0..options.workers {
            let store = stores.connect().map_err(StartError::Store)?;
            let worker = AccountWorker::new(store, shared.clone());
            let (queue, longest_wait, metrics) = (queue.clone(), options.longest_wait, metrics.clone());
            let alive: Sender<Infallible> = alive.clone();
            spawn(&format!("account-{number}"), move || {
                work(worker, &queue, longest_wait, &metrics);
                drop(alive);
            })?;
        }
        let is_stopping = AtomicBool::new(false);
        Ok(Self { jobs, metrics, workers: options.workers, is_stopping, ended })
    }

    /// Takes no new calls, and waits until those in the queue are done, up to `patience`. Whether they are.
    pub fn stop(&self, patience: Duration) -> bool {
        let deadline = Instant::now() + patience;
        self.is_stopping.store(true, Ordering::SeqCst);
        for _ in 0..self.workers {
            // If it cannot be told, it has ended already, or the time is up: what follows finds out.
            let _ = self.jobs.send_deadline(WorkerCommand::End, deadline);
        }
        self.ended.recv_deadline(deadline) == Err(RecvTimeoutError::Disconnected)
    }
}

impl Accounts for AccountService {
    fn submit(&self, request: AccountRequest, reply: AccountReply) -> Result<(), Rejection> {
        let job = WorkerCommand::Call(Job { request, reply, queued_at: Instant::now() });
        let refused = match self.is_stopping.load(Ordering::SeqCst) {
            true => Some(job),
            false => self.jobs.try_send(job).err().map(TrySendError::into_inner),
        };
        let Some(WorkerCommand::Call(job)) = refused else {
            self.metrics.queue_depth.inc();
            return Ok(());
        };
        job.reply.disarm();
        self.metrics.calls.at(AccountOutcome::Busy).inc();
        Err(busy())
    }
}

fn outcome_of(result: &AccountResult) -> AccountOutcome {
    match result {
        Ok(_) => AccountOutcome::Ok,
        Err(refused) => match refused.status {
            401 => AccountOutcome::Unauthorized,
            429 => AccountOutcome::Limited,
            500.. if refused.code == ErrorCode::Busy => AccountOutcome::Busy,
            500.. => AccountOutcome::Failed,
            _ => AccountOutcome::Refused,
        },
    }
}

fn busy() -> Rejection {
    Rejection::new(ErrorCode::Busy, "too many logins at once; try again").retry_after(RETRY_FULL_S)
}

fn work(
    mut worker: AccountWorker,
    queue: &Receiver<WorkerCommand>,
    longest_wait: Duration,
    metrics: &AccountMetrics,
) {
    // Players in rooms come before those who log in.
    sys::lower_priority();
    for message in queue {
        let WorkerCommand::Call(job) = message else { break };
        metrics.queue_depth.dec();
        let result = if job.queued_at.elapsed() > longest_wait {
            Err(busy())
        } else {
            threads::may_break("account-call");
            worker.serve(job.request)
        };
        metrics.calls.at(outcome_of(&result)).inc();
        job.reply.send(result);
        worker.finish();
    }
}

fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> Result<(), StartError> {
    threads::lasting(name).spawn(run).map(drop).map_err(StartError::System)
}

#[cfg(test)]
mod tests;
