//! Where a PostgreSQL server is and how to log in, as `--db-dsn` says it.
//!
//! `host=… user=… password=… dbname=…` or `postgres://user:password@host:port/dbname?…`, as libpq reads them. The driver
//! parses all but what it has no word for: `sslmode=verify-full` and `sslrootcert`. Those, `options` takes out.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use postgres::config::{Host, SslMode};
use postgres::{Client, Config, NoTls};

use super::fault::Fault;
use super::options::TlsOptions;
use super::tls;

/// What is expected of a DSN, for error messages.
const EXPECTED: &str =
    "expected host=… user=… password=… dbname=…, or postgres://user:password@host:port/dbname";

/// A server, a database on it, and a login. Neither `Display` nor `Debug` shows the password.
#[derive(Clone)]
pub struct PostgresDsn {
    config: Config,
    /// The authority that the server's certificate must come from; none where any certificate will do.
    root_certificate: Option<PathBuf>,
}

impl PostgresDsn {
    /// Parses a DSN of either form.
    ///
    /// # Errors
    /// Says what is expected; never repeats a password.
    pub fn parse(text: &str) -> Result<Self, String> {
        if !text.contains('=') && !text.contains("://") {
            return Err(EXPECTED.to_owned());
        }
        let with_expected = |reason| format!("{reason}; {EXPECTED}");
        let (rest, tls) = TlsOptions::take_out_of(text).map_err(with_expected)?;
        let mut config: Config = rest.parse().map_err(|error| refusal(&error))?;
        refuse_slips(&config).map_err(with_expected)?;
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            return Err(format!("it names no host; {EXPECTED}"));
        }
        if config.get_user().is_none() {
            return Err(format!("it names no user; {EXPECTED}"));
        }
        if tls.is_verifying {
            config.ssl_mode(SslMode::Require);
        }
        // Beside the deadline of each call, so that the threads of dead connections end. They also end those that
        // wait for a machine that is gone.
        let longest = Duration::from_secs(4);
        let connect_timeout = config.get_connect_timeout().map_or(longest, |timeout| longest.min(*timeout));
        config.connect_timeout(connect_timeout);
        if config.get_tcp_user_timeout().is_none() {
            config.tcp_user_timeout(Duration::from_secs(10));
        }
        config.keepalives_idle(Duration::from_secs(15));
        config.keepalives_interval(Duration::from_secs(5));
        config.keepalives_retries(3);
        if config.get_application_name().is_none() {
            config.application_name("godra");
        }
        Ok(Self { config, root_certificate: tls.root_certificate })
    }

    /// Opens a connection. Without a time limit, once the server has taken it.
    pub(super) fn connect(&self) -> Result<Client, Fault> {
        if self.config.get_ssl_mode() == SslMode::Disable {
            return Ok(self.config.connect(NoTls)?);
        }
        let tls = tls::connector(self.root_certificate.as_deref()).map_err(Fault::Broken)?;
        Ok(self.config.connect(tls)?)
    }

    /// Whether a stranger between here and the server could read and change what is sent.
    pub fn may_be_plain(&self) -> bool {
        let is_here = |host: &Host| match host {
            Host::Tcp(host) => host == "localhost" || host.starts_with("127.") || host == "::1",
            Host::Unix(_) => true,
        };
        let hosts = self.config.get_hosts();
        let are_all_here = !hosts.is_empty() && hosts.iter().all(is_here);
        self.config.get_ssl_mode() != SslMode::Require && !are_all_here
    }
}

impl fmt::Display for PostgresDsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let config = &self.config;
        let ports = config.get_ports();
        let port = |index: usize| ports.get(index).or(ports.first()).copied().unwrap_or(5432);
        let mut places: Vec<String> = Vec::new();
        for (index, host) in config.get_hosts().iter().enumerate() {
            let host = match host {
                Host::Tcp(host) => shown(host),
                Host::Unix(folder) => shown(&folder.to_string_lossy()),
            };
            places.push(format!("{host}:{}", port(index)));
        }
        if places.is_empty() {
            let addresses = config.get_hostaddrs().iter().enumerate();
            places.extend(addresses.map(|(index, address)| format!("{address}:{}", port(index))));
        }
        let user = config.get_user().unwrap_or_default();
        let database = config.get_dbname().unwrap_or(user);
        write!(f, "{}@{}/{}", shown(user), places.join(","), shown(database))
    }
}

impl fmt::Debug for PostgresDsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PostgresDsn({self})")
    }
}

/// What the driver takes as it stands, though it can only be meant otherwise.
fn refuse_slips(config: &Config) -> Result<(), String> {
    let hosts = || {
        config.get_hosts().iter().map(|host| match host {
            Host::Tcp(host) => host.as_str(),
            Host::Unix(_) => "",
        })
    };
    if hosts().any(|host| host.contains('@')) {
        return Err("a host has no @; in the user or password of a URL it is written %40".to_owned());
    }
    if hosts().chain(config.get_user()).chain(config.get_dbname()).any(|name| name.contains(';')) {
        return Err("the options are not set apart by ;".to_owned());
    }
    Ok(())
}

fn refusal(error: &postgres::Error) -> String {
    use std::error::Error;
    let detail = error.source().map_or_else(|| error.to_string(), ToString::to_string);
    let on_one_line: String = detail.chars().map(|c| if c.is_control() { '?' } else { c }).collect();
    format!("{on_one_line}; {EXPECTED}")
}

/// A name of a login or a place, unless a password may have slipped into it.
fn shown(name: &str) -> String {
    let is_plain = |c: char| !c.is_control() && !c.is_whitespace() && !";=@".contains(c);
    if name.chars().all(is_plain) { name.to_owned() } else { format!("({} bytes)", name.len()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_are_read() {
        let check = |text: &str, expected: &str| {
            let dsn = PostgresDsn::parse(text).unwrap();
            assert_eq!(dsn.to_string(), expected, "{text}");
            assert!(!format!("{dsn:?}").contains("secret"));
        };
        check("host=db user=ada password=secret dbname=game", "ada@db:5432/game");
        check("host=db user=ada password='a secret' port=6000", "ada@db:6000/ada");
        check("host=/run/postgresql user=ada", "ada@/run/postgresql:5432/ada");
        check("hostaddr=10.0.0.1 user=ada", "ada@10.0.0.1:5432/ada");
        check("host=a,b port=1,2 user=ada", "ada@a:1,b:2/ada");
        check("postgres://ada:secret@db/game", "ada@db:5432/game");
        check("postgresql://ada:secret@db:6000/game?sslmode=require", "ada@db:6000/game");
        check("postgres://ada:a?secret=x@db/game", "ada@db:5432/game");
        check("host=db user=ada password=secret://x?y&sslmode=z", "ada@db:5432/ada");
        check("host=db user=ada@secret dbname=a=secret", "(10 bytes)@db:5432/(8 bytes)");
        check(
            "postgres://ada@db/game?sslmode=verify-full&sslrootcert=/ca.pem&connect_timeout=2",
            "ada@db:5432/game",
        );
    }

    #[test]
    fn tls_options() {
        let check = |text: &str, mode: SslMode, root: Option<&str>| {
            let dsn = PostgresDsn::parse(text).unwrap();
            assert_eq!(dsn.config.get_ssl_mode(), mode, "{text}");
            assert_eq!(dsn.root_certificate, root.map(PathBuf::from), "{text}");
        };
        check("host=db user=ada", SslMode::Prefer, None);
        check("host=db user=ada sslmode=disable", SslMode::Disable, None);
        check("sslmode=require host=db user=ada", SslMode::Require, None);
        check("postgres://ada@db?sslmode=require", SslMode::Require, None);
        check("host=db sslmode=verify-full sslrootcert=ca.pem user=ada", SslMode::Require, Some("ca.pem"));
        check("postgres://ada@db?sslmode=verify-full&sslrootcert=ca.pem", SslMode::Require, Some("ca.pem"));
        let behind = "sslmode=verify-full sslrootcert='/a b/ca.pem'";
        for password in ["'my pw'", r"it\'s", r"'it\'s = \\'", r"a\ b", "''", "'sslmode=disable'"] {
            check(
                &format!("host=db user=ada password = {password} {behind}"),
                SslMode::Require,
                Some("/a b/ca.pem"),
            );
            check(&format!("host=db user=ada password={password} sslmode=disable"), SslMode::Disable, None);
        }
    }

    #[test]
    fn what_may_go_unencrypted() {
        let check = |text: &str, expected: bool| {
            assert_eq!(PostgresDsn::parse(text).unwrap().may_be_plain(), expected, "{text}");
        };
        check("host=db user=ada", true);
        check("host=localhost,db user=ada", true);
        check("host=db user=ada sslmode=require", false);
        check("host=127.0.0.1 user=ada", false);
        check("host=/run/postgresql user=ada", false);
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let check = |text: &str, expected: &str| {
            let refusal = PostgresDsn::parse(text).unwrap_err();
            assert!(refusal.contains(expected), "{text}: {refusal}");
            assert!(!refusal.contains("secret"), "{refusal}");
        };
        check("game.db", EXPECTED);
        check("", EXPECTED);
        check("postgres://ada@db/game?sslmode=a\nb", "sslmode=(3 bytes): allowed");
        check("host=db user=ada sslmode=verify-ca", "sslmode=verify-ca: allowed");
        check("host=db user=ada sslcert=a.pem", "the option sslcert is not supported");
        check("postgres://ada:p@secret@db/game", "written %40");
        check("user=ada;password=secret host=db", "not set apart by ;");
        check("host=db;password=secret user=ada", "not set apart by ;");
        check("host=db user=ada dbname=game;password=secret", "not set apart by ;");
        check("postgres://ada@db/game;password=secret", "not set apart by ;");
        check("user=ada password=secret", "it names no host");
        check("host=db password=secret", "it names no user");
        check("host=db user=ada colour=red", "an option is not known");
        check("postgres://ada@db/game?secret=red", "an option is not known");
        check("host=db user=ada port=high", "port");
        check("host=db user=ada sslmode=maybe", "allowed are disable, prefer, require and verify-full");
        check("host=db user=ada sslmode=verify-full", "go together");
        check("host=db user=ada sslrootcert=ca.pem", "go together");
        check("mysql://ada:secret@db/game", EXPECTED);
        check("mysql://ada:secret@db/game?a=b", EXPECTED);
    }
}
