//! `.env` files, with all that they may set: what is refused is refused in one line, and tells no secret.

use clap::Command;

use super::dot_env::DotEnv;
use super::settings::{Values, with_flags};
use super::{Config, ConfigError, Machine};

/// What the secrets of this file begin with, if it has any.
const MARK: &str = "hunter2";
/// How lines begin that have secrets, and what stands in front of these.
const SECRETS: [(&str, &str); 4] = [
    ("JWT_SECRET=", "JWT_SECRET="),
    ("AUTH_SECRET=", "AUTH_SECRET="),
    ("DB_DSN=", "password="),
    ("REDIS_ADDR=", "redis://u:"),
];

pub(crate) fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let said = match resolve(&marked(text)) {
        Ok(config) => {
            assert!(!config.token_keys.is_empty() && config.max_connections > 0);
            config.warnings.join(" ")
        }
        Err(refused) => refused.0,
    };
    assert!(!said.contains('\n') && said.len() < 2000, "{said}");
    // Quotes that do not end in their line make what follows part of another setting.
    let ends_in_its_line = |line: &str| has_secret(line) || DotEnv::parse(line).is_ok();
    assert!(!said.contains(MARK) || !text.lines().all(ends_in_its_line), "it tells a secret: {said}");
}

fn resolve(text: &str) -> Result<Config, ConfigError> {
    let dot_env = DotEnv::parse(text)?;
    let no_flags = with_flags(Command::new("godra")).get_matches_from(["godra"]);
    let values = Values::collect(&no_flags, |_| None, &dot_env)?;
    Config::resolve(&values, Machine { cores: 2, max_open_files: Some(20_000), memory_bytes: Some(1 << 33) })
}

fn has_secret(line: &str) -> bool {
    SECRETS.iter().any(|(beginning, _)| line.starts_with(beginning))
}

/// Every secret of the text is marked, and nothing else is.
fn marked(text: &str) -> String {
    let mark = |line: &str| {
        let secret = SECRETS.iter().find(|(beginning, _)| line.starts_with(beginning));
        secret.map_or(line.to_owned(), |(_, name)| line.replace(name, &format!("{name}{MARK}")))
    };
    text.replace(MARK, "").split('\n').map(mark).collect::<Vec<_>>().join("\n")
}
