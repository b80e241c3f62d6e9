//! Settings: raw flags become a validated type; every limit and queue size, with its default.
//!
//! Three steps: the table of flags in `settings` says where a value's text comes from, `values` says what it may be,
//! and [`Config`] is what the rest of the program trusts. What a value means, its owner knows: an address or a network parses
//! where it is used.
//!
//! To add a flag: a line in the table of `settings`, a field of [`Config`] that `resolve` reads it into, and a row in
//! `src/OPERATING.md`, which a test compares with `--help`.

mod database;
mod dot_env;
mod environment;
mod https_redirect;
mod identities;
mod limits;
mod listening;
mod log_filter;
mod public;
mod settings;
mod shown;
mod values;

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::ArgMatches;

pub use https_redirect::HttpsRedirect;
pub use identities::IdentitySettings;
pub use limits::{
    AccountLimits, BuiltInLimits, DrainLimits, HttpLimits, InputLimits, OutboxLimits, QueueLimits,
    RoomLimits, WebSocketLimits,
};
pub use listening::Listening;
pub use settings::{
    normalize_dashes, with_database_flags, with_erasure_flag, with_flags, with_name_flags, with_reset_flag,
};

use dot_env::DotEnv;
use environment::Environment;
use settings::{Source, Values};

use crate::account::look_alikes::ConfusableNames;
use crate::account::reserved::ReservedNames;
use crate::account::secret::TokenKey;
use crate::account::store::{Dsn, parse_sqlite_path};
pub use crate::logging::LogFormat;
use crate::pages::PublicFolder;
use crate::session::Network;
use crate::session::cors::AllowedOrigins;
use crate::session::limits::Limit;
use crate::state::HistoryBounds;
use crate::state::redis::{Address, Prefix, Security, TlsFiles};
use crate::sys::{self, given_path};
use crate::tls::CertificateFiles;
use crate::wire::ws::deflate::CompressionLevel;

/// Connections that the server takes if neither `--max-connections` nor the limit of open files says otherwise.
const DEFAULT_MAX_CONNECTIONS: usize = 20_000;
/// What the embedded store may take where the machine does not say how much memory it has.
const DEFAULT_STORE_BYTES: u64 = 1 << 30;
/// Open files that are not connections: the database, logs, the script watcher, and what a full server answers by.
const FILES_BESIDE_CONNECTIONS: usize = 80;
/// Open files of a shard: its poll, its waker, its listeners.
const FILES_OF_A_SHARD: usize = 5;

/// Everything that can be set, checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where to listen; port 0 takes any free one.
    pub listen: SocketAddr,
    /// What the port speaks TLS with, if it does.
    pub tls: Option<CertificateFiles>,
    /// The port without TLS that sends to it, if there is one.
    pub https_redirect: Option<HttpsRedirect>,
    /// Event loops, 1 to 256.
    pub threads: usize,
    /// Directory of the game scripts.
    pub scripts_dir: PathBuf,
    /// A room's interval, 5 to 1000 ms: what gathers within it goes out together.
    pub sync_interval: Duration,
    /// Keys of tokens, at least one: the first signs, all are accepted.
    pub token_keys: Vec<TokenKey>,
    /// How long a token is valid.
    pub token_ttl: Duration,
    /// How long a refresh token is good.
    pub refresh_ttl: Duration,
    /// How long a code for another password is good.
    pub reset_ttl: Duration,
    /// Names that nobody can choose.
    pub reserved_names: ReservedNames,
    /// Whether names may look alike.
    pub confusable_names: ConfusableNames,
    /// Who logs in without a password.
    pub identities: IdentitySettings,
    /// Threads that hash passwords.
    pub login_workers: usize,
    /// Proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<Network>,
    /// Whether their connections begin with a header that says whose they are.
    pub proxy_protocol: bool,
    /// Where accounts are kept.
    pub database: Dsn,
    /// Where erasures are written down, if anywhere.
    pub erasure_log: Option<PathBuf>,
    /// Where game state lives; in this process if there is no address.
    pub redis: Vec<Address>,
    /// What the names of the server's own keys and channels begin with there.
    pub redis_prefix: Prefix,
    /// For stores with TLS.
    pub redis_tls: TlsFiles,
    /// Where the embedded store is kept; nowhere if there is none.
    pub state_file: Option<PathBuf>,
    /// What the embedded store may take, in bytes.
    pub store_memory: usize,
    /// How long a room lasts after its last member has left.
    pub room_ttl: Duration,
    /// How long the seat of a player is kept whose connection was lost.
    pub rejoin_grace: Duration,
    /// What rooms keep of their events, for players who come back.
    pub history: HistoryBounds,
    /// How long a guest without a socket and without a call is remembered.
    pub guest_ttl: Duration,
    /// Open connections, over all shards.
    pub max_connections: usize,
    /// Open connections from one address.
    pub max_connections_per_ip: Limit,
    /// Longest message that a WebSocket may receive; above it close 1009.
    pub max_message_bytes: usize,
    /// How hard frames are compressed for clients who offer that; none if no offer is taken.
    pub compress: Option<CompressionLevel>,
    /// Inputs per connection and second.
    pub input_rate: Limit,
    /// Calls and joins per user and second.
    pub rpc_rate: Limit,
    /// Logins per address and minute.
    pub login_rate: Limit,
    /// Most bytes that connections may hold together of what has come in part or waits.
    pub buffer_memory: usize,
    /// Lobbies that one user may own; 0 is no limit.
    pub lobbies_per_owner: u32,
    /// Whose web pages may call.
    pub allow_origins: AllowedOrigins,
    /// Where `/metrics` is served, if not on the players' port.
    pub metrics_address: Option<SocketAddr>,
    /// Form of log lines.
    pub log_format: LogFormat,
    /// What is logged, in the syntax of `RUST_LOG`.
    pub log_filter: String,
    /// The game's own page and files, which are served in the demo's place; none if there are none.
    pub public: Option<PublicFolder>,
    /// Whether the demo's page is served where the game has none.
    pub demo: bool,
    /// Whether `/echo` is served.
    pub debug_echo: bool,
    /// Most processor time that a script call may take.
    pub script_time_budget: Duration,
    /// Most memory that a script call may take, in bytes.
    pub script_memory_budget: usize,
    /// Bounds that are not flags.
    pub limits: BuiltInLimits,
    /// What is allowed but unwise, a sentence each, for the log.
    pub warnings: Vec<String>,
}

impl Config {
    /// Reads all sources, and raises the process's limit of open files.
    ///
    /// # Errors
    /// On the first value that is not allowed.
    pub fn load(flags: &ArgMatches) -> Result<Self, ConfigError> {
        let dot_env = DotEnv::read(Path::new(".env"))?;
        let environment = Environment::of_process();
        let values = Values::collect(flags, |name| environment.get(name), &dot_env)?;
        let from_environment = ["GODRA_RUST_LOG", "RUST_LOG"]
            .iter()
            .find_map(|name| std::env::var(name).ok().filter(|filter| !filter.is_empty()));
        let machine = Machine {
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            max_open_files: sys::raise_open_files_limit(),
            memory_bytes: sys::memory_bytes(),
        };
        let mut config = Self::resolve(&values, machine)?;
        let from_dot_env = || dot_env.get("GODRA_RUST_LOG").or_else(|| dot_env.get("RUST_LOG"));
        if let Some(filter) = from_environment.as_deref().or_else(from_dot_env) {
            config.log_filter = log_filter::parse(filter)?;
        }
        config.warnings.extend(environment.warnings());
        config.warnings.extend(dot_env.warnings());
        config.check_scripts_dir()?;
        Ok(config)
    }

    fn resolve(values: &Values, machine: Machine) -> Result<Self, ConfigError> {
        let threads = values
            .parse_optional("threads", values::number(1..=256))?
            .unwrap_or_else(|| machine.cores.clamp(1, 256));
        let port = values.parse("port", values::number(0..=u16::MAX))?;
        let redis = values.parse_optional("redis-addr", Address::parse_list)?.unwrap_or_default();
        let limit = |name| resolve_limit(values, name);
        let mut warnings = Vec::new();
        Ok(Self {
            listen: SocketAddr::new(values.parse("host", values::host)?, port),
            tls: resolve_tls(values)?,
            https_redirect: https_redirect::resolve(values, port)?,
            threads,
            scripts_dir: values.parse("scripts-dir", path)?,
            sync_interval: values.parse("sync-interval", values::milliseconds(5..=1000))?,
            token_keys: resolve_token_keys(values, &mut warnings)?,
            token_ttl: values.parse("token-ttl", values::duration("1s", "3650d"))?,
            refresh_ttl: values.parse("refresh-ttl", values::duration("1s", "3650d"))?,
            reset_ttl: reset_ttl_of(values)?,
            reserved_names: values.parse("reserved-names", ReservedNames::parse)?,
            confusable_names: values.parse("confusable-names", ConfusableNames::parse)?,
            identities: identities::resolve(values, &mut warnings)?,
            login_workers: values
                .parse_optional("login-workers", values::number(1..=64))?
                .unwrap_or_else(|| (machine.cores / 2).clamp(1, 64)),
            trusted_proxies: values.parse_optional("trusted-proxy", Network::parse_list)?.unwrap_or_default(),
            proxy_protocol: resolve_proxy_protocol(values)?,
            database: database::resolve(values, &mut warnings)?,
            erasure_log: values.parse_optional("erasure-log", path)?,
            state_file: resolve_state_file(values, !redis.is_empty())?,
            redis_tls: resolve_redis_tls(values, &redis, &mut warnings)?,
            store_memory: resolve_store_memory(values, !redis.is_empty(), machine)?,
            redis,
            redis_prefix: values.parse("redis-prefix", Prefix::parse)?,
            room_ttl: values.parse("room-ttl", values::duration("1s", "365d"))?,
            rejoin_grace: values.parse("rejoin-grace", values::duration("0s", "10m"))?,
            history: HistoryBounds {
                events: values.parse("history-events", values::number(0..=100_000))?,
                age_ms: 1000 * values.parse("history-seconds", values::number::<u64>(1..=3600))?,
                ..HistoryBounds::default()
            },
            guest_ttl: values.parse("guest-ttl", values::duration("1s", "365d"))?,
            max_connections: resolve_max_connections(values, threads, machine, &mut warnings)?,
            max_connections_per_ip: limit("max-connections-per-ip")?,
            max_message_bytes: values.parse("max-message-bytes", values::size("125", "16m"))?,
            compress: values.parse("compress", parse_compression)?,
            input_rate: limit("input-rate")?,
            rpc_rate: limit("rpc-rate")?,
            login_rate: limit("login-rate")?,
            buffer_memory: values.parse("buffer-memory", values::size("16m", "1024g"))?,
            lobbies_per_owner: values.parse("lobbies-per-owner", values::number(0..=1_000_000))?,
            allow_origins: values.parse("allow-origin", AllowedOrigins::parse)?,
            metrics_address: values.parse_optional("metrics-addr", values::host_and_port)?,
            log_format: values.parse("log-format", LogFormat::parse)?,
            log_filter: "info".to_owned(),
            public: public::resolve(values)?,
            demo: values.parse("demo", values::switch)?,
            debug_echo: resolve_debug_echo(values, &mut warnings)?,
            script_time_budget: values.parse("script-time-budget", values::duration("1ms", "10s"))?,
            script_memory_budget: values.parse("script-memory-budget", values::size("1m", "4g"))?,
            limits: resolve_limits(values)?,
            warnings,
        })
    }

    fn check_scripts_dir(&self) -> Result<(), ConfigError> {
        if self.scripts_dir.is_dir() {
            return Ok(());
        }
        let directory = self.scripts_dir.display();
        Err(ConfigError(format!(
            "--scripts-dir {directory}: expected a directory of game scripts; start in the directory that has one, or name it"
        )))
    }
}

/// The scripts directory as environment, `.env` and default have it, without looking at any other setting.
///
/// # Errors
/// If it is not a path.
pub fn scripts_dir_without_flags() -> Result<PathBuf, ConfigError> {
    let dot_env = DotEnv::read(Path::new(".env"))?;
    let no_flags = with_flags(clap::Command::new("godra")).get_matches_from(["godra"]);
    let environment = Environment::of_process();
    Values::collect(&no_flags, |name| environment.get(name), &dot_env)?.parse("scripts-dir", path)
}

/// Where the accounts are, as these flags, the environment, `.env` and the defaults have it.
///
/// # Errors
/// On a value that is not allowed.
pub fn database(flags: &ArgMatches) -> Result<Dsn, ConfigError> {
    // What is unwise about it, the server says in its log.
    let mut warnings = Vec::new();
    with_values(flags, |values| database::resolve(values, &mut warnings))
}

/// How long a code for another password is good, for subcommands.
///
/// # Errors
/// On a value that is not allowed.
pub fn reset_ttl(flags: &ArgMatches) -> Result<Duration, ConfigError> {
    with_values(flags, reset_ttl_of)
}

fn reset_ttl_of(values: &Values) -> Result<Duration, ConfigError> {
    values.parse("reset-ttl", values::duration("1s", "30d"))
}

fn with_values<T>(
    flags: &ArgMatches,
    read: impl FnOnce(&Values) -> Result<T, ConfigError>,
) -> Result<T, ConfigError> {
    let dot_env = DotEnv::read(Path::new(".env"))?;
    let environment = Environment::of_process();
    read(&Values::collect(flags, |name| environment.get(name), &dot_env)?)
}

/// Whether names may look alike, as [`database()`] has where accounts are.
///
/// # Errors
/// On a value that is not allowed.
pub fn confusable_names(flags: &ArgMatches) -> Result<ConfusableNames, ConfigError> {
    with_values(flags, |values| values.parse("confusable-names", ConfusableNames::parse))
}

/// Where erasures are written down, if anywhere, as [`database()`] has where accounts are.
///
/// # Errors
/// On a value that is not allowed.
pub fn erasure_log(flags: &ArgMatches) -> Result<Option<PathBuf>, ConfigError> {
    with_values(flags, |values| values.parse_optional("erasure-log", path))
}

/// How long a ban is to last.
///
/// # Errors
/// If it is not a time.
pub fn ban_time(text: &str) -> Result<Duration, ConfigError> {
    let reason = |reason| ConfigError(format!("--for {}: {reason}", shown::of_setting("for", text)));
    values::duration("1s", "36500d")(text).map_err(reason)
}

/// What a value may depend on besides itself.
#[derive(Clone, Copy, Debug)]
struct Machine {
    cores: usize,
    max_open_files: Option<u64>,
    memory_bytes: Option<u64>,
}

/// A value that is not allowed: one line that names the flag, the value and what is allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError(String);

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ConfigError {}

fn resolve_token_keys(values: &Values, warnings: &mut Vec<String>) -> Result<Vec<TokenKey>, ConfigError> {
    let keys = values.parse("jwt-secret", TokenKey::parse_list)?;
    if values.source("jwt-secret") == Source::Flag {
        let advice = "--jwt-secret can be read by everybody on this machine; set JWT_SECRET in the environment or in .env";
        warnings.push(advice.to_owned());
    }
    if keys.iter().any(TokenKey::is_easy_to_guess) {
        warnings.push("the JWT secret is easy to guess; make one with `openssl rand -hex 32`".to_owned());
    }
    Ok(keys)
}

fn resolve_tls(values: &Values) -> Result<Option<CertificateFiles>, ConfigError> {
    let certificate = values.parse_optional("tls-cert", path)?;
    let key = values.parse_optional("tls-key", path)?;
    let alone = |flag: &str, other: &str, what: &str| {
        Err(ConfigError(format!("--{flag} without --{other}: TLS needs both; name {what}, too")))
    };
    match (certificate, key) {
        (None, None) => Ok(None),
        (Some(certificate), Some(key)) => Ok(Some(CertificateFiles { certificate, key })),
        (Some(_), None) => alone("tls-cert", "tls-key", "the file with the certificate's private key"),
        (None, Some(_)) => alone("tls-key", "tls-cert", "the file with the key's certificate"),
    }
}

/// The embedded store's file; Redis keeps what it holds itself.
fn resolve_redis_tls(
    values: &Values,
    addresses: &[Address],
    warnings: &mut Vec<String>,
) -> Result<TlsFiles, ConfigError> {
    let is = |security| move |address: &Address| address.security == security;
    let is_encrypted = addresses.iter().any(|address| address.security != Security::Plain);
    if addresses.iter().any(is(Security::Unchecked)) {
        warnings.push(
            "--redis-addr with #insecure takes any certificate: whoever is in between can read all"
                .to_owned(),
        );
    }
    let readable = |files: TlsFiles| match is_encrypted {
        true => files.load(false).map(|_| files),
        false => Err("expected an address with rediss:// in --redis-addr".to_owned()),
    };
    let authorities =
        |text: &str| readable(TlsFiles { authorities: Some(path(text)?), ..TlsFiles::default() });
    let mut files = values.parse_optional("redis-ca", authorities)?.unwrap_or_default();
    let certificate = values.parse_optional("redis-cert", path)?;
    let key = |text: &str| {
        let certificate = certificate.clone().ok_or("expected --redis-cert with it")?;
        readable(TlsFiles { identity: Some((certificate, path(text)?)), ..files.clone() })
    };
    match values.parse_optional("redis-key", key)? {
        Some(with_key) => files = with_key,
        None if certificate.is_some() => {
            values
                .parse_optional("redis-cert", |_| Err::<(), _>("expected --redis-key with it".to_owned()))?;
        }
        None => {}
    }
    Ok(files)
}

fn resolve_state_file(values: &Values, is_in_redis: bool) -> Result<Option<PathBuf>, ConfigError> {
    let is_default = values.source("state-file") == Source::Default;
    values.parse("state-file", |text| match text {
        "off" => Ok(None),
        _ if is_in_redis && is_default => Ok(None),
        _ if is_in_redis => {
            Err("with --redis-addr there is no embedded store to be kept; allowed is off".to_owned())
        }
        _ => parse_sqlite_path(text).map(Some).map_err(|reason| format!("{reason}, or off")),
    })
}

/// Whoever may connect could say to be anybody, if it were believed of everybody.
fn resolve_proxy_protocol(values: &Values) -> Result<bool, ConfigError> {
    let names_proxies = values.parse_optional("trusted-proxy", |text| Ok(!text.is_empty()))?.unwrap_or(false);
    values.parse("proxy-protocol", |text| match values::switch(text)? {
        true if !names_proxies => {
            Err("expected --trusted-proxy with it, which says whose headers are believed".to_owned())
        }
        is_on => Ok(is_on),
    })
}

/// A default holds for strangers alone; what somebody has set, for everybody.
fn resolve_limit(values: &Values, name: &str) -> Result<Limit, ConfigError> {
    let most = values.parse(name, values::number(0..=1_000_000))?;
    Ok(Limit { most, holds_for_local: !values.is_default(name) })
}

/// Half of the memory is the store's: the rest is for sockets, scripts, and what the store takes while it changes.
fn resolve_store_memory(values: &Values, is_in_redis: bool, machine: Machine) -> Result<usize, ConfigError> {
    let parse = |text: &str| match is_in_redis {
        false => values::size("1m", "1024g")(text),
        true => Err("with --redis-addr there is no embedded store; Redis has its own maxmemory".to_owned()),
    };
    let half = machine.memory_bytes.map_or(DEFAULT_STORE_BYTES, |bytes| bytes / 2);
    let default = usize::try_from(half).unwrap_or(usize::MAX);
    Ok(values.parse_optional("store-memory", parse)?.unwrap_or(default))
}

fn parse_compression(text: &str) -> Result<Option<CompressionLevel>, String> {
    if text == "off" || text == "0" {
        return Ok(None);
    }
    let level = values::number(1..=9)(text).ok().and_then(CompressionLevel::new);
    level.map(Some).ok_or_else(|| "expected off, or a level from 1 (fastest) to 9 (smallest)".to_owned())
}

fn resolve_limits(values: &Values) -> Result<BuiltInLimits, ConfigError> {
    let mut limits = BuiltInLimits::default();
    limits.http.keep_alive_timeout = values.parse("keep-alive", values::duration("1s", "1h"))?;
    limits.http.body_timeout = values.parse("message-timeout", values::duration("1s", "10m"))?;
    Ok(limits)
}

fn resolve_debug_echo(values: &Values, warnings: &mut Vec<String>) -> Result<bool, ConfigError> {
    let debug_echo = values.parse("debug-echo", values::switch)?;
    if debug_echo {
        warnings.push("--debug-echo serves /echo to everybody; it is meant for tests".to_owned());
    }
    Ok(debug_echo)
}

fn resolve_max_connections(
    values: &Values,
    threads: usize,
    machine: Machine,
    warnings: &mut Vec<String>,
) -> Result<usize, ConfigError> {
    const HIGHEST: usize = 10_000_000;
    let Some(max_open_files) = machine.max_open_files else {
        let wanted = values.parse_optional("max-connections", values::number(1..=HIGHEST))?;
        return Ok(wanted.unwrap_or(DEFAULT_MAX_CONNECTIONS));
    };
    let reserved = FILES_BESIDE_CONNECTIONS + threads * FILES_OF_A_SHARD;
    let max_open_files = usize::try_from(max_open_files).unwrap_or(usize::MAX);
    let possible = max_open_files.saturating_sub(reserved).clamp(1, HIGHEST);
    let hint = format!("the limit of open files is {max_open_files}, see `ulimit -Hn`");
    let parse = |text: &str| values::number(1..=possible)(text).map_err(|reason| format!("{reason}; {hint}"));
    if let Some(wanted) = values.parse_optional("max-connections", parse)? {
        return Ok(wanted);
    }
    if possible < DEFAULT_MAX_CONNECTIONS / 2 {
        warnings.push(format!("--max-connections is {possible}, not {DEFAULT_MAX_CONNECTIONS}: {hint}"));
    }
    Ok(possible.min(DEFAULT_MAX_CONNECTIONS))
}

fn path(text: &str) -> Result<PathBuf, String> {
    given_path::parse(text)
}

#[cfg(any(test, fuzzing))]
#[path = "../../tests/fuzz/targets/settings.rs"]
pub(crate) mod fuzz;

#[cfg(test)]
mod tests;
