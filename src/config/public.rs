//! The folder of a game's own page.

use std::path::PathBuf;

use super::settings::Values;
use super::{ConfigError, path, values};
use crate::pages::{DEFAULT_POLICY, PublicFolder, default_dir};

/// The folder, if there is one. One that is named must be there.
pub(super) fn resolve(settings: &Values) -> Result<Option<PublicFolder>, ConfigError> {
    let scripts_dir: PathBuf = settings.parse("scripts-dir", path)?;
    let named = settings.parse_optional("public-dir", dir)?;
    let policy = settings.parse_optional("public-csp", policy)?.unwrap_or(Some(DEFAULT_POLICY.to_owned()));
    let is_isolated = settings.parse("public-isolation", values::switch)?;
    let dir = named.unwrap_or_else(|| default_dir(&scripts_dir));
    Ok(dir.map(|dir| PublicFolder { dir, policy, is_isolated }))
}

fn dir(text: &str) -> Result<Option<PathBuf>, String> {
    if text == "off" {
        return Ok(None);
    }
    let dir = path(text)?;
    if dir.is_dir() {
        return Ok(Some(dir));
    }
    Err("expected a directory whose files are for everybody, or off".to_owned())
}

fn policy(text: &str) -> Result<Option<String>, String> {
    let is_plain = text.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic());
    match text {
        "off" => Ok(None),
        _ if is_plain && !text.trim().is_empty() => Ok(Some(text.to_owned())),
        _ => {
            Err("expected a Content-Security-Policy on one line, such as default-src 'self', or off"
                .to_owned())
        }
    }
}
