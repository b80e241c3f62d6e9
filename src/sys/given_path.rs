//! Paths that people give. What is in a file, or the address of something with a login, is given in a path's place by
//! mistake, and paths are shown in the log: so whatever has passed here has no place for a secret.

use std::path::{Path, PathBuf};

/// Names of what an address of a database has, in lower case.
const PARTS_OF_ADDRESSES: [&str; 10] =
    ["password=", "passwd=", "pass=", "pwd=", "user=", "user id=", "uid=", "host=", "hostaddr=", "dbname="];

/// Takes it as a path.
///
/// # Errors
/// Says what is expected; never repeats the text.
pub(crate) fn parse(text: &str) -> Result<PathBuf, String> {
    if text.is_empty() {
        return Err("expected a path".to_owned());
    }
    if text.contains("://") {
        return Err("expected a path, not a URL".to_owned());
    }
    if is_content(text) || (looks_encoded(text) && !is_near(Path::new(text))) {
        return Err("expected the path of a file, not what is in one".to_owned());
    }
    if is_connection_text(text) {
        return Err("expected a path, not the address of a database; one that has ; or begins with NAME= cannot be given"
            .to_owned());
    }
    if has_login(text) {
        return Err("expected a path, not an address with a password".to_owned());
    }
    Ok(text.into())
}

/// Keys and documents have lines or brackets.
pub(crate) fn is_content(text: &str) -> bool {
    text.contains("-----BEGIN")
        || text.starts_with('{')
        || text.contains("{\"")
        || text.chars().any(char::is_control)
}

/// Whether it is long and without order, as keys in base64 are and paths rarely.
pub(crate) fn looks_encoded(text: &str) -> bool {
    const SHORTEST_TEXT: usize = 40;
    const SHORTEST_PART: usize = 20;
    let has = |part: &str, is: fn(&u8) -> bool| part.as_bytes().iter().any(is);
    let is_mixed = |part: &str| {
        has(part, u8::is_ascii_uppercase)
            && has(part, u8::is_ascii_lowercase)
            && has(part, u8::is_ascii_digit)
    };
    let is_of_alphabet = |c: char| c.is_ascii_alphanumeric() || "+/=-_".contains(c);
    text.len() >= SHORTEST_TEXT
        && text.chars().all(is_of_alphabet)
        && text.split('/').any(|part| part.len() >= SHORTEST_PART && is_mixed(part))
}

/// Whether it is there, or may be made in a folder that it names.
fn is_near(path: &Path) -> bool {
    path.exists() || path.parent().is_some_and(|parent| !parent.as_os_str().is_empty() && parent.is_dir())
}

/// `Server=…;Password=…`, `host=… user=…`, and what looks so.
fn is_connection_text(text: &str) -> bool {
    let text = text.to_lowercase().replace(" =", "=");
    let begins_with_name = text
        .split_once('=')
        .is_some_and(|(name, _)| name.chars().all(|c| c.is_alphanumeric() || " _-".contains(c)));
    text.contains(';') || begins_with_name || PARTS_OF_ADDRESSES.iter().any(|part| text.contains(part))
}

/// `USER:PASSWORD@HOST`.
fn has_login(text: &str) -> bool {
    text.rsplit_once('@').is_some_and(|(login, _)| login.contains(':'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_taken() {
        for path in [
            "game.db",
            "/srv/my game/scripts",
            "/home/ann@studio.example/tls.key",
            "/etc/godra@eu/ca.pem",
            "./env=prod",
            "/data/env=prod/state.db",
            "C:/game.db",
            "/run/secrets/7d1f0f0e-3f7b-4c3e-9a55-1e1d1c1b1a19/tls-key",
            "~/Größe.db",
        ] {
            assert_eq!(parse(path), Ok(PathBuf::from(path)));
        }
        let dir = tempfile::tempdir().unwrap();
        let mixed = dir.path().join("MyGameServer2030ProductionDatabase");
        assert_eq!(parse(mixed.to_str().unwrap()), Ok(mixed), "its folder is there");
    }

    #[test]
    fn what_may_hold_a_secret_is_no_path() {
        let check = |text: &str, expected: &str| {
            let refusal = parse(text).unwrap_err();
            assert!(refusal.contains(expected) && !refusal.contains("hunter2"), "{text}: {refusal}");
        };
        check("", "expected a path");
        check("https://u:hunter2@h/keys", "not a URL");
        check("-----BEGIN PRIVATE KEY-----hunter2", "not what is in one");
        check("hunter2\nhunter2", "not what is in one");
        check(r#"{"keys":[{"k":"hunter2"}]}"#, "not what is in one");
        check("MC4CAQAwBQYDK2VwBCIEIOdJhunter2hunter2/Qb+hunter2hunter2hunter2A", "not what is in one");
        check("Server=db;User Id=a;Pwd=hunter2", "not the address of a database");
        check("user=a password = hunter2 hostaddr=::1", "not the address of a database");
        check("dir/x password=hunter2", "not the address of a database");
        check("token=hunter2", "NAME=");
        check("default:hunter2@h:6379", "an address with a password");
    }
}
