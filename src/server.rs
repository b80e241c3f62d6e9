//! The only wiring: queues, threads, start, drain.

mod callees;
mod memory;
mod metrics_port;
mod readiness;
mod services;
mod stop;

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, never, tick, unbounded};
use mio::net::TcpListener;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGXFSZ};
use signal_hook::iterator::Signals;

use self::callees::{Callees, start_documents};
use self::memory::{HeapWatch, LOOK_EVERY};
use self::readiness::wait_for_stores;
use self::services::ServerServices;
use self::stop::EngineEnd;
use crate::account::erasure_log::{ErasureLog, ErasureLogError};
use crate::account::external::{self, ExternalTokens, KeyFileError};
use crate::account::revocations::Revocations;
use crate::account::secret::TokenKey;
use crate::account::service::{self, AccountService, IdentityOptions, ServiceOptions, unix_ms};
use crate::account::store::{ErasedAgain, StoreError, Stores};
use crate::account::token::TokenAuthority;
use crate::config::{Config, DrainLimits};
use crate::document::Documents;
use crate::mailbox::{Mailbox, MailboxSender, mailbox};
use crate::metrics::Metrics;
use crate::pages::{self, Pages};
pub use crate::reactor::ListenError;
use crate::reactor::{
    self, AdmissionControl, BufferBudget, Ended, Shard, ShardMessage, ShardParts, ShardPosts, Shared, WAKER,
};
use crate::room;
use crate::room::allowance::{Budget, Share};
use crate::script::ScriptSet;
use crate::script::catalog::{self, LoadReport};
use crate::script::watch::Watcher;
use crate::session::disconnects::Disconnects;
use crate::state::Engine;
use crate::state::documents::{DocumentLink, Gate};
use crate::state::embedded::{EmbeddedEngine, EmbeddedOptions, StartError};
use crate::state::redis::{Address, RedisEngine, RedisOptions};
use crate::sys;
use crate::threads;
pub use crate::threads::Death;
use crate::threads::poller::Poller;
use crate::tls::{self, TlsError, TlsServer};

/// Why the server did not start, or ended.
#[derive(Debug)]
pub enum ServerError {
    /// The database of accounts cannot be used.
    Store(StoreError),
    /// The erasure log cannot be used.
    Erasures(ErasureLogError),
    /// The port cannot be used.
    Listen(ListenError),
    /// `--metrics-addr` cannot be used.
    MetricsPort(SocketAddr, io::Error),
    /// The public folder cannot be served.
    Pages(String),
    /// The certificate cannot be used.
    Tls(TlsError),
    /// The keys of another issuer cannot be used.
    Keys(KeyFileError),
    /// The state engine cannot start.
    Engine(StartError),
    /// The kernel refused something: what, and why.
    System(&'static str, io::Error),
    /// One of the process's threads ended by itself.
    ThreadDied(Death),
    /// Whoever stops the server would not wait for an orderly end.
    SecondSignal,
    /// It did not stop within this time.
    TimeIsUp(Duration),
    /// It stopped in order, but for what it could not write.
    LacksChanges,
}

const REPORTS_LAST: &str = "the reports of deaths outlive all threads";

/// Runs the server until SIGTERM or SIGINT.
///
/// # Errors
/// It could not start, or did not end in order.
pub fn run(config: Config) -> Result<(), ServerError> {
    let began = Instant::now();
    let signals = Signals::new([SIGTERM, SIGINT, SIGHUP])
        .map_err(|error| ServerError::System("watch for signals", error))?;
    // A file that would exceed `ulimit -f` shall be an error where it is written, as a full disk is, and not the end.
    signal_hook::flag::register(SIGXFSZ, Arc::default())
        .map_err(|error| ServerError::System("watch for signals", error))?;
    let server = Server::start(&config, began)?;
    server.run(signals, &config.limits.drain)
}

/// Everything that runs, and ends in order.
struct Server {
    services: Arc<ServerServices>,
    shards: Vec<JoinHandle<()>>,
    posts: Vec<MailboxSender<ShardMessage>>,
    ended: Receiver<Ended>,
    engine: Arc<EngineEnd>,
    accounts: Arc<AccountService>,
    watcher: Watcher,
    /// What looks at the certificate, the public folder and another issuer's keys, as far as there are any.
    pollers: Vec<Poller>,
    shared: Arc<Shared>,
}

/// A shard's poll and mailbox, before its thread runs.
struct LoopParts {
    poll: mio::Poll,
    mailbox: Mailbox<ShardMessage>,
}

impl Server {
    fn start(config: &Config, began: Instant) -> Result<Self, ServerError> {
        let metrics = Arc::new(Metrics::new());
        let tls = load_certificate(config, &metrics)?;
        let (pages, loaded_pages) =
            Pages::load(config.public.clone(), config.demo).map_err(ServerError::Pages)?;
        let pages = Arc::new(pages);
        let external = load_external(config)?;
        let stores = Stores::open(&config.database).map_err(ServerError::Store)?;
        let stores = keep_erased(config, stores.with(config.confusable_names))?;
        let tokens = Arc::new(token_authority(config, &stores)?);
        let (address, listeners) = listen(config, (config.listen.port(), "port"))?;
        let (redirect_address, redirects) = listen_for_redirects(config)?;
        let (posts, loop_parts) = loop_parts(config)?;
        let loaded = catalog::load(&config.scripts_dir, None);
        loaded.log(&[]);
        show_scripts(&metrics, &loaded.set, loaded.problems.len());
        let documents = start_documents(&stores, &metrics)
            .map_err(|error| ServerError::System("start a thread", error))?;
        let engine = start_engine(config, documents.clone(), &loaded.set, &posts, &metrics)?;
        let revocations = Arc::new(Revocations::new(tokens.longest_s()));
        let identities = IdentityOptions { external: external.clone(), devices: config.identities.devices };
        let accounts = start_accounts(config, &stores, identities, &tokens, &revocations, &posts, &metrics);
        let accounts = Arc::new(accounts?);
        let callees = Callees::start(accounts.clone(), &stores, documents, &metrics)
            .map_err(|error| ServerError::System("start a thread", error))?;
        let callees = Arc::new(callees);
        let services = Arc::new(ServerServices::new(
            config,
            address.port(),
            tokens,
            revocations,
            metrics.clone(),
            engine.clone(),
            pages.clone(),
        ));
        let metrics_port = start_metrics_port(config, &services)?;
        let shared = Arc::new(Shared {
            services: services.clone(),
            engine: engine.clone(),
            accounts: callees,
            admission: AdmissionControl::new(
                config.max_connections,
                config.max_connections_per_ip,
                config.trusted_proxies.clone(),
            )
            .with_proxy_protocol(config.proxy_protocol),
            tls: tls.clone(),
            waiting: Budget::new(config.limits.inputs.max_waiting_bytes_in_all.min(config.buffer_memory)),
            buffers: BufferBudget::new(config.buffer_memory, config.threads),
            limits: shard_limits(config),
            started: began,
        });
        let (ended_sender, ended) = unbounded();
        let scripts = loaded.set.clone();
        let watcher = watch(config, loaded, posts.clone(), engine.clone(), metrics.clone())?;
        let certificate = watch_certificate(tls, &metrics)?;
        let has_page = pages.current().find("/").is_some();
        let page_watch = pages::watch(pages, loaded_pages)
            .map_err(|error| ServerError::System("watch the public folder", error))?;
        let is_demo = page_watch.is_none();
        let key_watch = watch_keys(external)?;
        let pollers = [certificate, page_watch, key_watch].into_iter().flatten().collect();
        wait_for_stores(&*engine);
        let mut shards = Vec::with_capacity(config.threads);
        let listeners = listeners.into_iter().zip(redirects);
        for (id, (loop_part, (listener, redirect))) in loop_parts.into_iter().zip(listeners).enumerate() {
            let (shared, posts, scripts) = (shared.clone(), posts.clone(), scripts.clone());
            let (shard_metrics, ended) = (metrics.shard(id), ended_sender.clone());
            let run = move || {
                let LoopParts { poll, mailbox } = loop_part;
                let (peers, metrics) = (posts, shard_metrics);
                let parts = ShardParts {
                    id,
                    shared,
                    poll,
                    listener,
                    redirect,
                    mailbox,
                    peers,
                    scripts,
                    metrics,
                    ended,
                };
                Shard::new(parts)
                    .and_then(Shard::run)
                    .unwrap_or_else(|error| panic!("the event loop cannot go on: {error}"));
            };
            let shard = threads::lasting(format!("shard-{id}")).spawn(run);
            shards.push(shard.map_err(|error| ServerError::System("start a thread", error))?);
        }
        log::info!(
            "listening on {address} tls={} shards={} store={} accounts={} scripts={} start_ms={}",
            if config.tls.is_some() { "on" } else { "off" },
            config.threads,
            describe_store(config),
            config.database,
            scripts.all().count(),
            began.elapsed().as_millis()
        );
        if let Some(address) = redirect_address {
            log::info!("redirecting to HTTPS on {address}");
        }
        if let Some(address) = metrics_port {
            log::info!("metrics are at http://{address}/metrics alone");
        }
        if has_page && (config.listen.ip().is_unspecified() || config.listen.ip().is_loopback()) {
            let scheme = if config.tls.is_some() { "https" } else { "http" };
            let what = if is_demo { " the demo" } else { "" };
            log::info!("open {scheme}://localhost:{}/ to play{what}", address.port());
        }
        let engine = Arc::new(EngineEnd::new(engine));
        Ok(Self { services, shards, posts, ended, engine, accounts, watcher, pollers, shared })
    }

    /// What SIGHUP has read anew; each only asks a thread of its own for that.
    fn reloads(&self) -> Vec<Reload> {
        let mut reloads: Vec<Reload> = vec![Box::new(self.watcher.rereader())];
        reloads.extend(self.pollers.iter().map(|poller| Box::new(poller.rereader()) as Reload));
        reloads
    }

    /// Waits for a reason to stop, and stops. Never waits for another thread without an end in sight.
    fn run(self, signals: Signals, limits: &DrainLimits) -> Result<(), ServerError> {
        let signalled = watch_signals(signals, self.reloads())?;
        let deaths = threads::deaths();
        let engine = self.engine.clone();
        if let Err(death) = wait_for_signal(&signalled, &deaths) {
            // Dropping the server would wait for its threads, of which any may be stuck.
            std::mem::forget(self);
            return Err(died(death, &engine));
        }
        let deadline = Instant::now() + limits.total;
        threads::let_end();
        let stopped = self.begin_stop(limits);
        let stopped = stopped.map_err(|error| ServerError::System("start a thread", error))?;
        crossbeam_channel::select! {
            recv(stopped) -> done => match done {
                Ok(()) if engine.has_kept_all() => Ok(()),
                Ok(()) => Err(ServerError::LacksChanges),
                Err(_) => Err(died(deaths.recv().expect(REPORTS_LAST), &engine)),
            },
            recv(deaths) -> death => Err(died(death.expect(REPORTS_LAST), &engine)),
            recv(signalled) -> _ => {
                log::warn!("stopping at once: a second signal came");
                engine.stop_quickly();
                Err(ServerError::SecondSignal)
            }
            recv(crossbeam_channel::at(deadline)) -> _ => Err(ServerError::TimeIsUp(limits.total)),
        }
    }
}

/// Waits for the word to stop, or for a thread that dies; meanwhile looks after the process's memory.
fn wait_for_signal(signalled: &Receiver<i32>, deaths: &Receiver<Death>) -> Result<(), Death> {
    let look = if sys::CAN_TRIM_HEAP { tick(LOOK_EVERY) } else { never() };
    let mut heap = HeapWatch::begin();
    loop {
        crossbeam_channel::select! {
            recv(signalled) -> signal => match signal {
                Ok(signal) => {
                    log::info!("stopping signal={signal}");
                    return Ok(());
                }
                // The thread that watches for signals has died, which is being reported.
                Err(_) => return Err(deaths.recv().expect(REPORTS_LAST)),
            },
            recv(deaths) -> death => return Err(death.expect(REPORTS_LAST)),
            recv(look) -> _ => heap.look(),
        }
    }
}

/// Asks for something to be read anew.
type Reload = Box<dyn Fn() + Send>;

/// Gives the signals to stop. SIGHUP, which a terminal that closes sends as well, ends nothing.
fn watch_signals(mut signals: Signals, reloads: Vec<Reload>) -> Result<Receiver<i32>, ServerError> {
    let (sender, signalled) = unbounded();
    let run = move || {
        for signal in signals.forever() {
            if signal == SIGHUP {
                log::info!("reloading signal={signal}");
                reloads.iter().for_each(|reload| reload());
                continue;
            }
            // The main thread may be past waiting.
            let _ = sender.send(signal);
        }
    };
    threads::lasting("signals").spawn(run).map_err(|error| ServerError::System("start a thread", error))?;
    Ok(signalled)
}

/// A thread has died: keeps what can be kept in a moment.
fn died(death: Death, engine: &Arc<EngineEnd>) -> ServerError {
    engine.stop_quickly();
    ServerError::ThreadDied(death)
}

fn listen(config: &Config, port: (u16, &'static str)) -> Result<(SocketAddr, Vec<TcpListener>), ServerError> {
    reactor::listen(config.listen.ip(), port, config.threads).map_err(ServerError::Listen)
}

/// The listeners of `--https-redirect`, or as many times none.
fn listen_for_redirects(
    config: &Config,
) -> Result<(Option<SocketAddr>, Vec<Option<TcpListener>>), ServerError> {
    let Some(redirect) = &config.https_redirect else {
        return Ok((None, (0..config.threads).map(|_| None).collect()));
    };
    let (address, listeners) = listen(config, (redirect.port, "https-redirect"))?;
    Ok((Some(address), listeners.into_iter().map(Some).collect()))
}

fn start_metrics_port(
    config: &Config,
    services: &Arc<ServerServices>,
) -> Result<Option<SocketAddr>, ServerError> {
    let start = |address| {
        let started = metrics_port::start(address, services.clone());
        started.map_err(|error| ServerError::MetricsPort(address, error))
    };
    config.metrics_address.map(start).transpose()
}

fn load_certificate(config: &Config, metrics: &Metrics) -> Result<Option<Arc<TlsServer>>, ServerError> {
    let Some(files) = config.tls.clone() else { return Ok(None) };
    let tls = TlsServer::load(files).map_err(ServerError::Tls)?;
    show_certificate(&tls, metrics);
    Ok(Some(Arc::new(tls)))
}

fn watch_certificate(
    tls: Option<Arc<TlsServer>>,
    metrics: &Arc<Metrics>,
) -> Result<Option<Poller>, ServerError> {
    let metrics = metrics.clone();
    let start = |tls| tls::watch(tls, move |tls| show_certificate(tls, &metrics));
    tls.map(start).transpose().map_err(|error| ServerError::System("watch the certificate", error))
}

fn show_certificate(tls: &TlsServer, metrics: &Metrics) {
    metrics.certificate_ends.set(i64::try_from(tls.ends_s()).unwrap_or(i64::MAX));
    for warning in tls.warnings(unix_ms() / 1000) {
        log::warn!("{warning}");
    }
}

fn load_external(config: &Config) -> Result<Option<Arc<ExternalTokens>>, ServerError> {
    let options = config.identities.external.clone();
    let loaded = options.map(ExternalTokens::load).transpose().map_err(ServerError::Keys)?;
    Ok(loaded.map(Arc::new))
}

fn watch_keys(external: Option<Arc<ExternalTokens>>) -> Result<Option<Poller>, ServerError> {
    let watch = external.map(external::watch).transpose();
    Ok(watch.map_err(|error| ServerError::System("watch the keys of another issuer", error))?.flatten())
}

fn token_authority(config: &Config, stores: &Stores) -> Result<TokenAuthority, ServerError> {
    let secret_of = |key: &TokenKey| match key {
        TokenKey::Given(secret) => Ok(secret.expose().to_vec()),
        TokenKey::InDatabase => {
            let secret = stores.connect().and_then(|mut store| store.jwt_secret());
            secret.map_err(|fault| ServerError::Store(fault.into()))
        }
    };
    let secrets = config.token_keys.iter().map(secret_of).collect::<Result<_, _>>()?;
    Ok(TokenAuthority::new(secrets, config.token_ttl.as_secs()))
}

/// Before anything works on the database: who was erased since the copy of it was made is erased again.
fn keep_erased(config: &Config, stores: Stores) -> Result<Stores, ServerError> {
    let Some(path) = &config.erasure_log else { return Ok(stores) };
    let (log, erasures) = ErasureLog::open(path).map_err(ServerError::Erasures)?;
    let now_ms = unix_ms();
    let until_s = now_ms / 1000 + config.refresh_ttl.as_secs();
    let done = stores.erase_again(&erasures, until_s, now_ms);
    let done = done.map_err(|fault| ServerError::Store(fault.into()))?;
    for one in &done {
        match one {
            ErasedAgain::Gone { user_id, documents } => {
                log::warn!("erased again, as the database is older user={user_id} documents={documents}");
            }
            ErasedAgain::Reused { user_id } => {
                log::error!(
                    "an account has the number of one in the erasure log, and was made later: it is left alone user={user_id}"
                );
            }
        }
    }
    log::info!("keeping the erasure log file={} lines={}", path.display(), erasures.len());
    Ok(stores.logging_erasures(log))
}

fn start_accounts(
    config: &Config,
    stores: &Stores,
    identities: IdentityOptions,
    tokens: &Arc<TokenAuthority>,
    revocations: &Arc<Revocations>,
    posts: &[MailboxSender<ShardMessage>],
    metrics: &Metrics,
) -> Result<AccountService, ServerError> {
    let limits = &config.limits.accounts;
    let options = ServiceOptions {
        workers: config.login_workers,
        queue_capacity: limits.max_queue,
        longest_wait: limits.longest_wait,
        refresh_ttl: config.refresh_ttl,
        reserved_names: config.reserved_names.clone(),
        identities,
        reset_ttl: config.reset_ttl,
    };
    let posts = posts.to_vec();
    let disconnect = move |disconnects: Disconnects| {
        let disconnects = Arc::new(disconnects);
        for post in &posts {
            // A shard that is gone has closed its sockets.
            let _ = post.post_blocking(ShardMessage::Disconnect(disconnects.clone()));
        }
    };
    let accounts = metrics.accounts.clone();
    AccountService::start(&options, stores, tokens.clone(), revocations.clone(), accounts, disconnect)
        .map_err(|error| match error {
            service::StartError::Store(fault) => ServerError::Store(fault.into()),
            service::StartError::System(error) => ServerError::System("start the account workers", error),
        })
}

fn start_engine(
    config: &Config,
    database: Arc<dyn Documents>,
    scripts: &Arc<ScriptSet>,
    posts: &[MailboxSender<ShardMessage>],
    metrics: &Arc<Metrics>,
) -> Result<Arc<dyn Engine>, ServerError> {
    let deliver = Box::new(ShardPosts::new(posts.to_vec()));
    let (scripts, metrics) = (scripts.clone(), metrics.clone());
    let room_ttl_s = config.room_ttl.as_secs();
    if config.redis.is_empty() {
        let system = |error| ServerError::System("start the threads of documents", error);
        let (notices, noticed) = unbounded();
        let options = EmbeddedOptions {
            queue_capacity: config.limits.queues.engine_batches,
            time_budget: config.script_time_budget,
            memory_budget: config.script_memory_budget,
            store_bytes: config.store_memory,
            seed: random_seed(),
            state_file: config.state_file.clone(),
            room_ttl_s,
            lobbies_per_owner: config.lobbies_per_owner,
            rejoin_grace: config.rejoin_grace,
            history: config.history,
            documents: Some(DocumentLink { database: database.clone(), notices }),
        };
        let engine = EmbeddedEngine::start(options, scripts.clone(), deliver, metrics.clone())
            .map_err(ServerError::Engine)?;
        let deliver = Box::new(ShardPosts::new(posts.to_vec()));
        let gate =
            Gate::start(Arc::new(engine), database, noticed, &scripts, deliver, metrics).map_err(system)?;
        return Ok(Arc::new(gate));
    }
    let system = |error| ServerError::System("start the threads of documents", error);
    let (notices, noticed) = unbounded();
    let options = RedisOptions {
        addresses: config.redis.clone(),
        prefix: config.redis_prefix.clone(),
        tls: config.redis_tls.clone(),
        queue_capacity: config.limits.queues.engine_batches,
        shards: config.threads,
        seed: random_seed(),
        room_ttl_s,
        lobbies_per_owner: config.lobbies_per_owner,
        rejoin_grace: config.rejoin_grace,
        history: config.history,
        documents: Some(DocumentLink { database: database.clone(), notices }),
    };
    let engine = RedisEngine::start(options, scripts.clone(), deliver, metrics.clone())
        .map_err(|error| ServerError::System("start the state engine", error))?;
    let deliver = Box::new(ShardPosts::new(posts.to_vec()));
    let gate =
        Gate::start(Arc::new(engine), database, noticed, &scripts, deliver, metrics).map_err(system)?;
    Ok(Arc::new(gate))
}

fn describe_store(config: &Config) -> String {
    let addresses: Vec<String> = config.redis.iter().map(Address::to_string).collect();
    if addresses.is_empty() { "embedded".to_owned() } else { addresses.join(",") }
}

fn random_seed() -> u64 {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).expect("the kernel's random numbers are always there");
    u64::from_ne_bytes(bytes)
}

fn loop_parts(config: &Config) -> Result<(Vec<MailboxSender<ShardMessage>>, Vec<LoopParts>), ServerError> {
    let loop_part = || -> io::Result<_> {
        let poll = mio::Poll::new()?;
        let waker = mio::Waker::new(poll.registry(), WAKER)?;
        let (post, mailbox) = mailbox(config.limits.queues.mailbox, waker);
        Ok((post, LoopParts { poll, mailbox }))
    };
    let made: io::Result<Vec<_>> = (0..config.threads).map(|_| loop_part()).collect();
    Ok(made.map_err(|error| ServerError::System("make an event loop", error))?.into_iter().unzip())
}

fn watch(
    config: &Config,
    loaded: LoadReport,
    posts: Vec<MailboxSender<ShardMessage>>,
    engine: Arc<dyn Engine>,
    metrics: Arc<Metrics>,
) -> Result<Watcher, ServerError> {
    Watcher::start(&config.scripts_dir, loaded, move |scripts, problems| {
        show_scripts(&metrics, &scripts, problems.len());
        engine.replace_scripts(scripts.clone());
        for post in &posts {
            // A shard that is gone needs no scripts.
            let _ = post.post_blocking(ShardMessage::Scripts(scripts.clone()));
        }
    })
    .map_err(|error| ServerError::System("watch the scripts", error))
}

fn show_scripts(metrics: &Metrics, scripts: &ScriptSet, problems: usize) {
    metrics.set_scripts(scripts);
    metrics.script_problems.set(problems as i64);
}

fn shard_limits(config: &Config) -> reactor::ShardLimits {
    let limits = &config.limits;
    reactor::ShardLimits {
        sync_interval_ms: config.sync_interval.as_millis() as u64,
        guest_ttl: config.guest_ttl,
        room: room::Bounds {
            rejoin_grace_ms: config.rejoin_grace.as_millis() as u64,
            batch_calls: limits.queues.batch_calls,
            batch_bytes: limits.queues.batch_bytes,
            batch_time_us: limits.rooms.batch_time.as_micros() as u64,
            waiting_bytes: limits.rooms.max_waiting_bytes,
        },
        connection_share: Share { inputs: limits.inputs.max_waiting, bytes: limits.inputs.max_waiting_bytes },
        large_room_members: limits.rooms.spread_above_members,
        outbox_soft_bytes: limits.outbox.soft_bytes,
        outbox_hard_bytes: limits.outbox.hard_bytes,
        stall_timeout_ms: limits.outbox.stall_timeout.as_millis() as u64,
        linger_ms: limits.http.linger.as_millis() as u64,
        read_budget_bytes: limits.queues.read_budget_bytes,
        accept_budget: limits.queues.accept_budget,
        message_budget: limits.queues.mailbox,
        backlog_messages: limits.queues.backlog,
    }
}

impl fmt::Display for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Store(error) => write!(f, "{error}"),
            Self::Erasures(error) => write!(f, "--erasure-log: {error}"),
            Self::Listen(error) => write!(f, "{error}"),
            Self::MetricsPort(address, error) => {
                write!(f, "cannot listen on --metrics-addr {address}: {error}")
            }
            Self::Pages(problem) => write!(f, "--public-dir: {problem}"),
            Self::Tls(error) => write!(f, "{error}"),
            Self::Keys(error) => write!(f, "{error}"),
            Self::Engine(error) => write!(f, "{error}"),
            Self::System(what, error) => write!(f, "cannot {what}: {error}"),
            Self::ThreadDied(death) => write!(f, "{death}; the server ends, as it cannot do without"),
            Self::LacksChanges => {
                f.write_str("stopped, but the last changes are lost: the state file could not be written")
            }
            Self::SecondSignal => f.write_str("stopped at once by a second signal"),
            Self::TimeIsUp(limit) => {
                write!(f, "stopped although not all is done: the time is up limit_s={}", limit.as_secs())
            }
        }
    }
}

impl std::error::Error for ServerError {}
