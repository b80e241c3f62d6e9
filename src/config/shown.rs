//! Values in error messages: on one line, not endless, and no secrets. People put passwords and keys into settings that
//! have no place for them; what may hold one is shown as its length.

use std::fmt;

use super::settings::SECRETS;
use crate::sys::given_path::{is_content, looks_encoded};

/// A value as it may be shown.
pub(super) struct Shown<'a> {
    value: &'a str,
    is_secret: bool,
}

/// The value of the setting of this name.
pub(super) fn of_setting<'a>(name: &str, value: &'a str) -> Shown<'a> {
    Shown { value, is_secret: may_hold_secret(name, value) }
}

fn may_hold_secret(name: &str, text: &str) -> bool {
    let has_any = |marks: &[&str]| marks.iter().any(|mark| text.contains(mark));
    if SECRETS.contains(&name) || is_content(text) || looks_encoded(text) {
        return true;
    }
    match name {
        "db-dsn" => {
            text != ":memory:" && !text.chars().all(|c| c.is_ascii_alphanumeric() || "._-/\\".contains(c))
        }
        "redis-addr" => !text.split(',').all(|one| is_host_and_port(one.trim())),
        // Its lists name files so.
        "reserved-names" => {
            has_any(&["://"]) || text.split(',').any(|one| one.trim_start_matches('@').contains('@'))
        }
        // Texts that have the other marks in them when they are right.
        "allow-origin" | "auth-issuer" | "auth-audience" | "public-csp" => has_any(&["@"]),
        _ => has_any(&["://", "@", ";", "="]),
    }
}

/// `HOST`, `HOST:DIGITS` or `[IPv6]:DIGITS`. What else an address may have, a password may be, too.
fn is_host_and_port(text: &str) -> bool {
    const MOST_DIGITS: usize = 5;
    let (host, behind) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, behind)) if host.chars().all(|c| c.is_ascii_hexdigit() || c == ':') => (host, behind),
        Some(_) => return false,
        None => text.split_at(text.find(':').unwrap_or(text.len())),
    };
    let is_host = |host: &str| {
        !host.is_empty() && host.chars().all(|c| c.is_ascii_alphanumeric() || ".-_:".contains(c))
    };
    let is_port = |port: &str| port.len() <= MOST_DIGITS && port.bytes().all(|byte| byte.is_ascii_digit());
    is_host(host) && (behind.is_empty() || behind.strip_prefix(':').is_some_and(is_port))
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const MAX_CHARACTERS: usize = 80;
        if self.is_secret {
            return write!(f, "({} bytes)", self.value.len());
        }
        let is_plain = |byte: u8| byte.is_ascii_graphic() && byte != b'"';
        match self.value.char_indices().nth(MAX_CHARACTERS) {
            Some((cut, _)) => write!(f, "{:?}…", &self.value[..cut]),
            None if !self.value.is_empty() && self.value.bytes().all(is_plain) => f.write_str(self.value),
            None => write!(f, "{:?}", self.value),
        }
    }
}
