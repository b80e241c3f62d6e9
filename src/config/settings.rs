//! The flags as data, and where their values come from: flags over environment over `.env` over defaults.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};

use clap::{Arg, ArgMatches, Command};

use super::dot_env::DotEnv;
use super::environment::PREFIX;
use super::{ConfigError, shown};
use crate::state::redis::Prefix;
use crate::wire::without_mark;

/// One setting. Its environment variable is its name in upper case with `_` for `-`.
#[derive(Debug)]
pub(super) struct Setting {
    /// The long flag without its dashes.
    pub name: &'static str,
    /// Its value's name in the help text.
    value_name: &'static str,
    /// The default as text; none where there is no value, or it depends on the machine.
    default: Option<&'static str>,
    help: &'static str,
}

/// Those whose whole value is a secret.
pub(super) const SECRETS: [&str; 2] = ["jwt-secret", "auth-secret"];
/// Those that have a place for a password.
pub(super) const WITH_PASSWORDS: [&str; 2] = ["db-dsn", "redis-addr"];

/// All of them, in the order of the help text.
const SETTINGS: &[Setting] = &[
    setting("port", "PORT", Some("8080"), "Port to listen on; 0 takes any free one"),
    setting("host", "ADDRESS", Some("0.0.0.0"), "Address to listen on, IPv4 or IPv6, or a name of one"),
    setting(
        "tls-cert",
        "FILE",
        None,
        "Speak HTTPS and WSS with this certificate: PEM, with those that lead to its authority; read again when it changes",
    ),
    setting("tls-key", "FILE", None, "The certificate's private key: PEM, without a password"),
    setting(
        "https-redirect",
        "PORT[:PORT]",
        None,
        "Send HTTP on this port to HTTPS, which needs --tls-cert; after a colon the port to send to, if clients reach --port by another",
    ),
    setting(
        "hsts",
        "TIME",
        Some("365d"),
        "With --https-redirect, how long browsers are told to come by HTTPS alone, 0s = they forget it",
    ),
    setting("threads", "N", None, "Event loops, 1 to 256 [default: one per core]"),
    setting("scripts-dir", "DIR", Some("scripts"), "Directory of the game scripts"),
    setting("sync-interval", "MS", Some("50"), "A room's interval in milliseconds, 5 to 1000"),
    setting(
        "jwt-secret",
        "SECRET",
        Some("database"),
        "Key that signs tokens, at least 32 bytes, or database: a random one that is kept there; after it with commas, older ones that are still accepted",
    ),
    setting("token-ttl", "TIME", Some("24h"), "How long a token is valid, such as 90s, 15m, 24h, 7d"),
    setting(
        "refresh-ttl",
        "TIME",
        Some("30d"),
        "How long a login lasts without being refreshed, such as 12h, 30d",
    ),
    setting(
        "auth-jwks",
        "FILE",
        None,
        "Take tokens of another issuer at /external-login: a JWK set with its public keys for RS256, ES256 or EdDSA; read again when it changes",
    ),
    setting(
        "auth-secret",
        "SECRET",
        None,
        "The same with HS256: the secret that the issuer signs with, at least 32 bytes; several with commas",
    ),
    setting("auth-issuer", "TEXT", None, "What iss must be in these tokens, exactly"),
    setting(
        "auth-audience",
        "TEXTS",
        None,
        "What aud must name in these tokens, exactly: one text, or several with commas of which one is enough",
    ),
    setting(
        "device-login",
        "WHICH",
        Some("on"),
        "Devices that log in by a secret of their own: on = the first login makes an account, linked = only those that an account has linked, off",
    ),
    setting(
        "reset-ttl",
        "TIME",
        Some("1h"),
        "How long a code for another password is good (godra user reset), such as 30m, 24h",
    ),
    setting("db-type", "TYPE", Some("sqlite"), "Database of accounts: sqlite or postgres"),
    setting(
        "db-dsn",
        "DSN",
        Some("game.db"),
        "Where the database is: for sqlite its file; for postgres \"host=… user=…\" or a URL",
    ),
    setting(
        "erasure-log",
        "FILE",
        None,
        "Write down in this file who is erased, and erase them again at the start if an older copy of the database has them",
    ),
    setting(
        "redis-addr",
        "ADDRESS",
        None,
        "Keep game state in Redis, Valkey or Dragonfly at HOST:PORT, redis://USER:PASSWORD@HOST:PORT/DATABASE, rediss://… (TLS) or unix:/PATH, or several with commas",
    ),
    setting(
        "redis-prefix",
        "TEXT",
        Some(Prefix::DEFAULT),
        "What the names of the server's own keys and channels begin with in Redis, before a colon",
    ),
    setting(
        "redis-ca",
        "FILE",
        None,
        "Certificates of the authorities that are believed for rediss:// [default: the system's]",
    ),
    setting(
        "redis-cert",
        "FILE",
        None,
        "Certificate that the server shows to Redis over TLS, with --redis-key",
    ),
    setting("redis-key", "FILE", None, "Private key of --redis-cert"),
    setting("room-ttl", "TIME", Some("1h"), "How long a room lasts after its last member has left"),
    setting(
        "rejoin-grace",
        "TIME",
        Some("10s"),
        "How long the seat of a player is kept whose connection was lost, 0s = not at all",
    ),
    setting(
        "history-events",
        "N",
        Some("512"),
        "How many of its latest events a room keeps for players who come back, 0 = none",
    ),
    setting(
        "history-seconds",
        "N",
        Some("60"),
        "How many seconds a room keeps events for players who come back",
    ),
    setting(
        "guest-ttl",
        "TIME",
        Some("24h"),
        "How long a guest is remembered that has no socket and makes no call",
    ),
    setting(
        "state-file",
        "PATH",
        Some("state.db"),
        "SQLite file that keeps the embedded store over a restart, or off",
    ),
    setting(
        "store-memory",
        "SIZE",
        None,
        "Most memory for the embedded store, 1m to 1024g [default: half of the machine's or the cgroup's]",
    ),
    setting(
        "max-connections",
        "N",
        None,
        "Open connections, the rest gets 503 [default: 20000, or what the limit of open files allows]",
    ),
    setting(
        "max-connections-per-ip",
        "N",
        Some("256"),
        "Open connections from one address; 0 is no limit. This and the rates hold for this machine only if they are set",
    ),
    setting("max-message-bytes", "SIZE", Some("65536"), "Longest WebSocket message, 125 to 16m"),
    setting(
        "compress",
        "LEVEL",
        Some("2"),
        "How hard WebSocket frames are compressed for clients who offer that, 1 (fastest) to 9, or off",
    ),
    setting(
        "input-rate",
        "N",
        Some("60"),
        "Inputs and pings per connection and second, one for each 4 KiB, and twice as many at once; 0 is no limit",
    ),
    setting(
        "rpc-rate",
        "N",
        Some("30"),
        "Calls and joins per user and second, and twice as many at once; 0 is no limit",
    ),
    setting("login-rate", "N", Some("60"), "Logins per address and minute; 0 is no limit"),
    setting(
        "reserved-names",
        "NAMES",
        Some("default"),
        "Usernames that nobody can choose, nor what looks like them: a comma list of names, default (admin, moderator, …) and files (@PATH), or off",
    ),
    setting(
        "confusable-names",
        "RULE",
        Some("refuse"),
        "Whether a new username may look like another player's, by Unicode's UTS 39: refuse or allow",
    ),
    setting(
        "lobbies-per-owner",
        "N",
        Some("16"),
        "Lobbies that one user may own at a time (godra.lobbies_per_owner in scripts); 0 is no limit",
    ),
    setting(
        "buffer-memory",
        "SIZE",
        Some("256m"),
        "Most memory for what has come in part, waits to run or waits to be sent, 16m to 1024g",
    ),
    setting(
        "login-workers",
        "N",
        None,
        "Threads that hash passwords, 1 to 64, each with 19 MiB [default: half of the cores]",
    ),
    setting(
        "trusted-proxy",
        "NETWORKS",
        None,
        "Proxies whose X-Forwarded-For is believed: a comma list such as 10.0.0.0/8,::1",
    ),
    setting(
        "proxy-protocol",
        "on|off",
        Some("off"),
        "Connections from --trusted-proxy begin with a header of HAProxy's PROXY protocol (v1 or v2) that says whose they are",
    ),
    setting(
        "message-timeout",
        "TIME",
        Some("30s"),
        "How long a message that comes in parts, or a request's body, may take to arrive, 1s to 10m",
    ),
    setting(
        "keep-alive",
        "TIME",
        Some("75s"),
        "How long an HTTP connection without a request is kept open, 1s to 1h; longer than a balancer in front keeps it",
    ),
    setting(
        "allow-origin",
        "ORIGINS",
        Some("*"),
        "Web pages that may call and connect: * or a comma list of origins, such as https://*.game.example",
    ),
    setting(
        "public-dir",
        "DIR",
        None,
        "Serve the files of this directory at /, in the demo's place, or off [default: public beside --scripts-dir, if it is there]",
    ),
    setting(
        "public-csp",
        "POLICY",
        None,
        "Content-Security-Policy of these files, or off [default: what web builds of Godot and Unity need]",
    ),
    setting(
        "public-isolation",
        "on|off",
        Some("on"),
        "Isolate these pages from other origins' (COOP and COEP), which gives them threads",
    ),
    setting(
        "demo",
        "on|off",
        Some("on"),
        "Serve the demo's page at / where no game has one; the SDK at /godra.js is always there",
    ),
    setting("metrics-addr", "HOST:PORT", None, "Serve /metrics there, by HTTP, and not on the players' port"),
    setting("log-format", "FORMAT", Some("text"), "text or json; RUST_LOG chooses what is logged"),
    setting("debug-echo", "on|off", Some("off"), "Serve /echo, a WebSocket echo for conformance tests"),
    setting("script-time-budget", "TIME", Some("50ms"), "Most processor time for a script call, 1ms to 10s"),
    setting("script-memory-budget", "SIZE", Some("32m"), "Most memory for a script call, 1m to 4g"),
];

const fn setting(
    name: &'static str,
    value_name: &'static str,
    default: Option<&'static str>,
    help: &'static str,
) -> Setting {
    Setting { name, value_name, default, help }
}

impl Setting {
    fn variable(&self) -> String {
        self.name.to_ascii_uppercase().replace('-', "_")
    }

    fn argument(&self) -> Arg {
        let default = self.default.map(|text| format!(" [default: {text}]")).unwrap_or_default();
        let argument = Arg::new(self.name)
            .long(self.name)
            .value_name(self.value_name)
            .help(format!("{}{default} [env: {}]", self.help, self.variable()))
            .overrides_with(self.name)
            // So that our own message answers `--port -1`.
            .allow_negative_numbers(true)
            .allow_hyphen_values(self.is_secret());
        if self.is_switch() {
            return argument.num_args(0..=1).default_missing_value("on");
        }
        argument
    }

    /// Whether all of its value is a secret, which may begin with a dash: base64url has one.
    fn is_secret(&self) -> bool {
        SECRETS.contains(&self.name)
    }

    fn is_switch(&self) -> bool {
        self.value_name == "on|off"
    }
}

/// Adds all settings to a command, as flags.
pub fn with_flags(command: Command) -> Command {
    command.args(SETTINGS.iter().map(Setting::argument))
}

/// Adds the settings that say where the accounts are, as flags.
pub fn with_database_flags(command: Command) -> Command {
    let is_of_database = |setting: &&Setting| setting.name.starts_with("db-");
    command.args(SETTINGS.iter().filter(is_of_database).map(Setting::argument))
}

/// Adds the setting that a new name depends on, as a flag.
pub fn with_name_flags(command: Command) -> Command {
    command.arg(find("confusable-names").argument())
}

/// Adds the flag that says where erasures are written down.
pub fn with_erasure_flag(command: Command) -> Command {
    command.arg(find("erasure-log").argument())
}

/// Adds the flag that says how long codes for another password are good.
pub fn with_reset_flag(command: Command) -> Command {
    command.arg(find("reset-ttl").argument())
}

/// Turns single-dash long flags (`-db-type postgres`) into double-dash ones, so that clap understands them.
///
/// Only an argument of one dash, a letter and more is changed: `-h`, `-5`, `-`, what follows a `--` and a secret stay.
pub fn normalize_dashes(arguments: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut only_values = false;
    let mut is_secret = false;
    let normalize = |argument: OsString| {
        if std::mem::take(&mut is_secret) {
            return argument;
        }
        only_values |= argument == OsStr::new("--");
        let normalized = match argument.to_str() {
            Some(text) if !only_values && is_single_dash_long(text) => format!("-{text}").into(),
            _ => argument,
        };
        let name = normalized.to_str().and_then(|text| text.strip_prefix("--"));
        is_secret = !only_values && name.is_some_and(|name| SECRETS.contains(&name));
        normalized
    };
    arguments.into_iter().map(normalize).collect()
}

fn is_single_dash_long(argument: &str) -> bool {
    let Some(name) = argument.strip_prefix('-') else { return false };
    let is_short_flags = name.bytes().all(|letter| letter == b'h' || letter == b'V');
    name.len() > 1 && name.starts_with(|first: char| first.is_ascii_alphabetic()) && !is_short_flags
}

/// A setting's text, and where it comes from.
#[derive(Clone, Debug)]
struct Value {
    text: String,
    source: Source,
    /// The variable's name, if it comes from one.
    variable: String,
}

impl Value {
    fn new(text: &str, source: Source, variable: String) -> Self {
        Self { text: text.to_owned(), source, variable }
    }
}

/// Where a value comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    Flag,
    Environment,
    DotEnv,
    Default,
}

/// The text of every setting that has one.
#[derive(Debug, Default)]
pub(super) struct Values(HashMap<&'static str, Value>);

impl Values {
    /// Looks each setting up: flag, then environment, then `.env`, then its default; a variable with the prefix before one without. An empty variable counts as
    /// absent.
    pub(super) fn collect(
        flags: &ArgMatches,
        environment: impl Fn(&str) -> Option<OsString>,
        dot_env: &DotEnv,
    ) -> Result<Self, ConfigError> {
        let mut values = HashMap::new();
        for setting in SETTINGS {
            let bare = setting.variable();
            let variables = [format!("{PREFIX}{bare}"), bare];
            let found = |variable: &String| {
                let text = environment(variable).filter(|text| !text.is_empty())?;
                Some((variable.clone(), text))
            };
            let value = if let Some(text) = flag(flags, setting.name) {
                Some(Value::new(text, Source::Flag, String::new()))
            } else if let Some((variable, text)) = variables.iter().find_map(found) {
                let text = text.into_string().map_err(|_| {
                    ConfigError(format!("the environment variable {variable} is not valid UTF-8"))
                })?;
                Some(Value::new(without_line_end(&text), Source::Environment, variable))
            } else if let Some((variable, text)) =
                variables.into_iter().find_map(|name| dot_env.get(&name).map(|text| (name, text)))
            {
                Some(Value::new(text, Source::DotEnv, variable))
            } else {
                setting.default.map(|text| Value::new(text, Source::Default, String::new()))
            };
            values.extend(value.map(|value| (setting.name, value)));
        }
        Ok(Self(values))
    }

    /// Whether nobody has said anything about a setting.
    pub(super) fn is_default(&self, name: &str) -> bool {
        self.0.get(name).is_none_or(|value| matches!(value.source, Source::Default))
    }

    /// Parses a setting that has a default.
    pub(super) fn parse<T>(
        &self,
        name: &str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Result<T, ConfigError> {
        let value = self.parse_optional(name, parse)?;
        Ok(value.expect("a setting with a default always has a value"))
    }

    /// Parses a setting that may be absent.
    pub(super) fn parse_optional<T>(
        &self,
        name: &str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Result<Option<T>, ConfigError> {
        let setting = find(name);
        let Some(value) = self.0.get(setting.name) else { return Ok(None) };
        parse(&value.text).map(Some).map_err(|reason| refuse(setting, value, &reason))
    }

    /// Where a setting's value comes from.
    pub(super) fn source(&self, name: &str) -> Source {
        self.0.get(name).map_or(Source::Default, |value| value.source)
    }
}

/// The variables, without a prefix, that hold a secret.
pub(super) fn secret_variables() -> impl Iterator<Item = String> {
    SECRETS.iter().chain(&WITH_PASSWORDS).map(|name| find(name).variable())
}

/// Whether a setting's variable has this name, without a prefix.
pub(super) fn is_variable(name: &str) -> bool {
    variables().any(|variable| variable == name)
}

/// The settings' variables, without a prefix.
pub(super) fn variables() -> impl Iterator<Item = String> {
    SETTINGS.iter().map(Setting::variable)
}

fn find(name: &str) -> &'static Setting {
    SETTINGS.iter().find(|setting| setting.name == name).expect("the name stands in SETTINGS")
}

fn refuse(setting: &Setting, value: &Value, reason: &str) -> ConfigError {
    let Setting { name, .. } = setting;
    let shown = shown::of_setting(name, &value.text);
    let variable = &value.variable;
    ConfigError(match value.source {
        Source::Flag | Source::Default => format!("--{name} {shown}: {reason}"),
        Source::Environment => format!("{variable}={shown} in the environment (--{name}): {reason}"),
        Source::DotEnv => format!("{variable}={shown} in .env (--{name}): {reason}"),
    })
}

/// Secrets that are mounted as files often end with a line, and some editors begin them with a mark.
fn without_line_end(text: &str) -> &str {
    without_mark(text).trim_end_matches(['\r', '\n'])
}

/// A flag's value; a subcommand has only some of the flags.
fn flag<'f>(flags: &'f ArgMatches, name: &str) -> Option<&'f String> {
    flags.try_get_one(name).ok().flatten()
}
