//! The options of a DSN, set apart as libpq does: `key=value` with quotes and backslashes, or the query of a URL.
//!
//! They are read for those that the driver has no word for, and for those that it refuses with words of a password.

use std::path::PathBuf;

use crate::sys::given_path;
use crate::wire::percent;

/// What libpq calls its options, besides those that the driver knows. No other word of a DSN is shown.
const OF_LIBPQ_ALONE: [&str; 24] = [
    "client_encoding",
    "fallback_application_name",
    "gssdelegation",
    "gssencmode",
    "gsslib",
    "keepalives_count",
    "krbsrvname",
    "max_protocol_version",
    "min_protocol_version",
    "passfile",
    "replication",
    "require_auth",
    "requirepeer",
    "requiressl",
    "service",
    "ssl_max_protocol_version",
    "ssl_min_protocol_version",
    "sslcert",
    "sslcertmode",
    "sslcompression",
    "sslcrl",
    "sslkey",
    "sslpassword",
    "sslsni",
];
const KNOWN_TO_DRIVER: [&str; 19] = [
    "user",
    "password",
    "dbname",
    "options",
    "application_name",
    "sslmode",
    "sslnegotiation",
    "host",
    "hostaddr",
    "port",
    "connect_timeout",
    "tcp_user_timeout",
    "keepalives",
    "keepalives_idle",
    "keepalives_interval",
    "keepalives_retries",
    "target_session_attrs",
    "channel_binding",
    "load_balance_hosts",
];
const NOT_PAIRS: &str = "it is not KEY=VALUE with spaces between; a value with spaces needs single quotes, and a ' or \\ in one a \\ in front";

/// What the driver does not know.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct TlsOptions {
    pub(super) is_verifying: bool,
    pub(super) root_certificate: Option<PathBuf>,
}

impl TlsOptions {
    /// Takes the options out of a DSN; what is left of it is the driver's.
    ///
    /// # Errors
    /// Says what is allowed; shows no word of the DSN but names of options.
    pub(super) fn take_out_of(text: &str) -> Result<(String, Self), String> {
        let mut options = Self::default();
        let rest = match after_scheme(text) {
            Some(rest) => options.take_from_url(text, rest)?,
            None => options.take_from_pairs(text)?,
        };
        if options.is_verifying != options.root_certificate.is_some() {
            return Err("sslmode=verify-full and sslrootcert=FILE go together".to_owned());
        }
        Ok((rest, options))
    }

    fn take_from_pairs(&mut self, text: &str) -> Result<String, String> {
        let mut kept = Vec::new();
        let mut rest = text.trim_start();
        while !rest.is_empty() {
            let (pair, behind) = Pair::split_off(rest).ok_or(NOT_PAIRS)?;
            if !self.take(pair.key, &pair.value)? {
                kept.push(&rest[..rest.len() - behind.len()]);
            }
            rest = behind.trim_start();
        }
        Ok(kept.join(" "))
    }

    /// `rest` is the end of `text` behind its scheme.
    fn take_from_url(&mut self, text: &str, rest: &str) -> Result<String, String> {
        // The driver takes all in front of an @ for a login, a ? in a password among it.
        let behind_login = rest.split_once('@').map_or(rest, |(_, place)| place);
        let Some((_, query)) = behind_login.split_once('?') else { return Ok(text.to_owned()) };
        let mut kept = Vec::new();
        for word in query.split('&').filter(|word| !word.is_empty()) {
            let (key, value) =
                word.split_once('=').ok_or("behind its ? there is not KEY=VALUE with & between")?;
            let decoded = percent::decode(key).zip(percent::decode(value));
            let (key, value) = decoded.ok_or("behind its ? a % has no two hexadecimal digits behind it")?;
            if !self.take(&key, &value)? {
                kept.push(word);
            }
        }
        let address = &text[..text.len() - query.len() - 1];
        Ok(if kept.is_empty() { address.to_owned() } else { format!("{address}?{}", kept.join("&")) })
    }

    /// Whether it is one of ours, and the driver's no more.
    fn take(&mut self, key: &str, value: &str) -> Result<bool, String> {
        match (key, value) {
            ("sslmode", "verify-full") => self.is_verifying = true,
            ("sslmode", "disable" | "prefer" | "require") => {
                self.is_verifying = false;
                return Ok(false);
            }
            ("sslmode", mode) => {
                let shown = Some(mode).filter(|mode| ["allow", "verify-ca"].contains(mode));
                let shown = shown.map_or_else(|| format!("({} bytes)", mode.len()), str::to_owned);
                return Err(format!("sslmode={shown}: allowed are disable, prefer, require and verify-full"));
            }
            ("sslrootcert", path) => {
                let refuse = |reason| format!("sslrootcert=({} bytes): {reason}", path.len());
                self.root_certificate = Some(given_path::parse(path).map_err(refuse)?);
            }
            (key, _) if KNOWN_TO_DRIVER.contains(&key) => return Ok(false),
            (key, _) if OF_LIBPQ_ALONE.contains(&key) => {
                return Err(format!("the option {key} is not supported"));
            }
            // It may be what stands behind a space or an & in a password.
            _ => {
                return Err("an option is not known; in key=value a password with spaces needs single quotes, in a URL %XX \
                     stands for what is not a letter or digit"
                    .to_owned());
            }
        }
        Ok(true)
    }
}

/// What is behind `postgres://`, if the DSN is a URL.
fn after_scheme(text: &str) -> Option<&str> {
    ["postgres://", "postgresql://"].iter().find_map(|scheme| text.strip_prefix(scheme))
}

/// One option of the form `key=value`.
struct Pair<'a> {
    key: &'a str,
    value: String,
}

impl<'a> Pair<'a> {
    /// The first one, and what is behind it. None where it is not of that form, or its quote does not end.
    fn split_off(text: &'a str) -> Option<(Self, &'a str)> {
        let (key, value) = text.split_once('=')?;
        let key = key.trim_end();
        if key.is_empty() || key.contains(char::is_whitespace) {
            return None;
        }
        match value.trim_start().strip_prefix('\'') {
            Some(quoted) => {
                let (value, from_quote) = split_value(quoted, |c| c == '\'');
                Some((Self { key, value }, from_quote.strip_prefix('\'')?))
            }
            None => {
                let (value, behind) = split_value(value.trim_start(), char::is_whitespace);
                (!value.is_empty()).then_some((Self { key, value }, behind))
            }
        }
    }
}

/// A value without its backslashes, and what begins with the character that ends it.
fn split_value(text: &str, ends: impl Fn(char) -> bool) -> (String, &str) {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((index, c)) = characters.next() {
        match c {
            '\\' => value.extend(characters.next().map(|(_, escaped)| escaped)),
            c if ends(c) => return (value, &text[index..]),
            c => value.push(c),
        }
    }
    (value, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_is_the_drivers() {
        let check = |text: &str, expected: &str| {
            let (rest, options) = TlsOptions::take_out_of(text).unwrap();
            assert_eq!(rest, expected, "{text}");
            assert!(options.is_verifying && options.root_certificate == Some("/a b/ca.pem".into()), "{text}");
        };
        check(
            r"password='it\'s \\ =' sslmode = verify-full user=ada sslrootcert='/a b/ca.pem'",
            r"password='it\'s \\ =' user=ada",
        );
        check(
            r"sslrootcert=/a\ b/ca.pem  password=it\'s\ \\ sslmode='verify-full' host=db",
            r"password=it\'s\ \\ host=db",
        );
        check("password=''sslmode=verify-full sslrootcert='/a b/ca.pem'user=b", "password='' user=b");
        check("sslmode=require sslrootcert='/a b/ca.pem' sslmode=verify-full", "sslmode=require");
        check(
            "postgres://a:x?b@db/g?sslmode=verify%2Dfull&port=1&sslrootcert=/a%20b/ca.pem",
            "postgres://a:x?b@db/g?port=1",
        );
    }

    #[test]
    fn no_word_is_shown_that_may_be_of_a_password() {
        for text in [
            "user=ada password=my hunter2 host=db",
            "user=ada password='hunter2",
            "user=ada password=my hunter2=x",
            "sslmode=disable;password=hunter2 host=db",
            "sslmode=hunter2 host=db",
            "host=db sslmode=verify-full sslrootcert='-----BEGIN hunter2'",
            "postgres://ada@db/game?password=a&hunter2=x",
            "postgres://ada@db/game?password=a&hunter2",
            "postgres://ada@db/game?password=hunter2%",
        ] {
            let refusal = TlsOptions::take_out_of(text).unwrap_err();
            assert!(!refusal.contains("hunter2") && refusal.len() > 30, "{text}: {refusal}");
        }
    }
}
