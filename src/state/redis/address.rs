//! Where a store is, as `--redis-addr` says it.

use std::fmt;
use std::path::PathBuf;

use crate::wire::percent;

/// The address of one Redis, Valkey or Dragonfly. `Display` leaves the password out.
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    /// Where it listens.
    pub place: Place,
    /// Whether the connection is encrypted.
    pub security: Security,
    /// Who to log in as, if anybody.
    pub login: Option<Login>,
    /// The database's number, for `SELECT`; 0 unless the address says otherwise.
    pub database: u32,
}

/// Where a store listens.
#[derive(Clone, PartialEq, Eq)]
pub enum Place {
    /// Over TCP.
    Tcp {
        /// A name or an IP address; an IPv6 one without brackets.
        host: String,
        /// The port: 6379 unless the address says otherwise.
        port: u16,
    },
    /// A socket in the file system.
    Unix(PathBuf),
}

/// Whether a connection is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Security {
    /// It is not.
    Plain,
    /// `rediss://`: TLS, with a certificate for the host's name.
    Tls,
    /// The same with `#insecure`: TLS, with any certificate.
    Unchecked,
}

/// A user of the store.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    /// `default` where only a password is given.
    pub user: String,
    /// Neither logged nor shown.
    pub password: String,
}

const DEFAULT_PORT: u16 = 6379;

impl Address {
    /// Parses a list with commas between its addresses.
    ///
    /// # Errors
    /// Says what is expected; never repeats a password.
    pub fn parse_list(text: &str) -> Result<Vec<Self>, String> {
        let addresses: Vec<Self> =
            text.split(',').map(|one| Self::parse(one.trim())).collect::<Result<_, _>>()?;
        for (index, address) in addresses.iter().enumerate() {
            if addresses[..index].iter().any(|other| other.to_string() == address.to_string()) {
                return Err(format!("expected different addresses; {address} is there twice"));
            }
        }
        Ok(addresses)
    }

    fn parse(text: &str) -> Result<Self, String> {
        if let Some(rest) = text.strip_prefix("redis+unix://").or_else(|| text.strip_prefix("unix://")) {
            return Self::parse_socket(rest);
        }
        if let Some(path) = text.strip_prefix("unix:") {
            return Self::parse_socket(path);
        }
        if let Some(rest) = text.strip_prefix("rediss://") {
            return match rest.split_once('#') {
                Some((rest, "insecure")) => Self::parse_url(rest, Security::Unchecked),
                Some(_) => Err("expected no # but #insecure".to_owned()),
                None => Self::parse_url(rest, Security::Tls),
            };
        }
        match text.strip_prefix("redis://") {
            Some(rest) => Self::parse_url(rest, Security::Plain),
            None if text.contains("://") => Err(expected()),
            None => {
                let (host, port) = split_port(text)?;
                let place = Place::Tcp { host, port };
                Ok(Self { place, security: Security::Plain, login: None, database: 0 })
            }
        }
    }

    /// `[USER:PASSWORD@]/PATH[?db=NUMBER]`.
    fn parse_socket(rest: &str) -> Result<Self, String> {
        let (rest, options) = rest.split_once('?').unwrap_or((rest, ""));
        let database = match options.strip_prefix("db=") {
            Some(number) => parse_database(number)?,
            None if options.is_empty() => 0,
            None => return Err("expected no option of a socket but ?db=NUMBER".to_owned()),
        };
        let start = rest.find('/').ok_or("expected the path of a socket from / on: unix:/run/redis.sock")?;
        let (login, path) = rest.split_at(start);
        let login = match login.strip_suffix('@') {
            Some(login) => Some(parse_login(login)?),
            None if login.is_empty() => None,
            None => return Err("expected the path of a socket from / on: unix:/run/redis.sock".to_owned()),
        };
        Ok(Self { place: Place::Unix(path.into()), security: Security::Plain, login, database })
    }

    fn parse_url(rest: &str, security: Security) -> Result<Self, String> {
        let (authority, database) = rest.split_once('/').unwrap_or((rest, ""));
        let database = if database.is_empty() { 0 } else { parse_database(database)? };
        let (login, place) = match authority.rsplit_once('@') {
            Some((login, place)) => (Some(parse_login(login)?), place),
            None => (None, authority),
        };
        let (host, port) = split_port(place)?;
        Ok(Self { place: Place::Tcp { host, port }, security, login, database })
    }
}

fn parse_database(number: &str) -> Result<u32, String> {
    number.parse().map_err(|_| "expected a number as the database".to_owned())
}

fn expected() -> String {
    "expected HOST:PORT, redis://[USER:PASSWORD@]HOST:PORT[/DATABASE], rediss://… for TLS, or unix:/PATH[?db=DATABASE], with commas \
     between several"
        .to_owned()
}

fn split_port(text: &str) -> Result<(String, u16), String> {
    let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, "")) => (host, None),
        Some((host, rest)) => (host, Some(rest.strip_prefix(':').ok_or_else(expected)?)),
        None => match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        },
    };
    let port = port.map_or(Ok(DEFAULT_PORT), |port| port.parse().map_err(|_| expected()))?;
    let allowed = |c: char| c.is_ascii_alphanumeric() || ".-_:".contains(c);
    if host.is_empty() || port == 0 || !host.chars().all(allowed) {
        return Err(expected());
    }
    Ok((host.to_owned(), port))
}

fn parse_login(text: &str) -> Result<Login, String> {
    let (user, password) = text.split_once(':').unwrap_or(("", text));
    let user = if user.is_empty() { "default".to_owned() } else { decode_percent(user)? };
    Ok(Login { user, password: decode_percent(password)? })
}

fn decode_percent(text: &str) -> Result<String, String> {
    let expected = "expected user and password with %XX for what is not a letter or digit";
    percent::decode(text).ok_or_else(|| expected.to_owned())
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::Unix(path) => write!(f, "unix:{}", path.display())?,
            Place::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}")?,
            Place::Tcp { host, port } => write!(f, "{host}:{port}")?,
        }
        match (&self.place, self.database) {
            (_, 0) => Ok(()),
            (Place::Unix(_), number) => write!(f, "?db={number}"),
            (_, number) => write!(f, "/{number}"),
        }
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let check = |text: &str, expected: &str| {
            let shown: Vec<String> =
                Address::parse_list(text).unwrap().iter().map(Address::to_string).collect();
            assert_eq!(shown.join(","), expected, "{text}");
        };
        check("localhost:6379", "localhost:6379");
        check("redis", "redis:6379");
        check("10.0.0.1:1, 10.0.0.2:2", "10.0.0.1:1,10.0.0.2:2");
        check("[::1]:7000,[::2]", "[::1]:7000,[::2]:6379");
        check("redis://db:6380/3", "db:6380/3");
        check("redis://:secret@db", "db:6379");
        check("redis://ada:p%40ss:w@db:1/0", "db:1");
        check("rediss://ada:secret@db:6380/2", "db:6380/2");
        check("rediss://db/#insecure", "db:6379");
        check(
            "unix:/run/redis.sock,unix:/run/other.sock?db=3",
            "unix:/run/redis.sock,unix:/run/other.sock?db=3",
        );
        check("redis+unix://ada:secret@/run/redis.sock?db=1", "unix:/run/redis.sock?db=1");
        check("unix:///run/redis.sock", "unix:/run/redis.sock");
    }

    #[test]
    fn logins() {
        let login =
            |text: &str| Address::parse(text).unwrap().login.map(|login| (login.user, login.password));
        assert_eq!(login("redis://db"), None);
        assert_eq!(login("redis://:a@db"), Some(("default".into(), "a".into())));
        assert_eq!(login("redis://ada:p%40s@db"), Some(("ada".into(), "p@s".into())));
    }

    #[test]
    fn refusals() {
        let check = |text: &str, expected: &str| {
            let error = Address::parse_list(text).unwrap_err();
            assert!(error.contains(expected) && !error.contains("secret"), "{text}: {error}");
        };
        check("", "HOST:PORT");
        check("a:", "HOST:PORT");
        check("a:0", "HOST:PORT");
        check("a:99999", "HOST:PORT");
        check("a b:1", "HOST:PORT");
        check("http://a", "HOST:PORT");
        check("rediss://a#secret", "#insecure");
        check("unix:redis.sock", "path");
        check("unix:/a?secret=1", "?db=");
        check("redis+unix://u:secret%4@/a", "%XX");
        check("redis://a/x", "database");
        check("redis://u:secret%4@a", "%XX");
        check("a:1,b,a:1", "twice");
    }
}
