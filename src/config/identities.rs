//! Who logs in without a password: another issuer's users, and devices.

use super::ConfigError;
use super::settings::{Source, Values};
use crate::account::device::{DEVICE_ISSUER, DeviceLogins};
use crate::account::external::ExternalOptions;
use crate::account::secret::{Secret, TokenKey};

/// Longest name of an issuer or an audience, in bytes.
const MAX_NAME_BYTES: usize = 255;

/// Who logs in without a password.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IdentitySettings {
    /// Whose tokens are taken, if anybody's are.
    pub external: Option<ExternalOptions>,
    /// Which devices log in.
    pub devices: DeviceLogins,
}

pub(super) fn resolve(values: &Values, warnings: &mut Vec<String>) -> Result<IdentitySettings, ConfigError> {
    let devices = values.parse("device-login", DeviceLogins::parse)?;
    Ok(IdentitySettings { external: external(values, warnings)?, devices })
}

fn external(values: &Values, warnings: &mut Vec<String>) -> Result<Option<ExternalOptions>, ConfigError> {
    let own = values.parse("jwt-secret", TokenKey::parse_list)?;
    let secrets = values.parse_optional("auth-secret", |text| secrets(text, &own))?.unwrap_or_default();
    let key_file = values.parse_optional("auth-jwks", super::path)?;
    let issuer = values.parse_optional("auth-issuer", issuer)?;
    let audiences = values.parse_optional("auth-audience", audiences)?;
    if values.source("auth-secret") == Source::Flag {
        let advice = "--auth-secret can be read by everybody on this machine; set AUTH_SECRET in the environment or in .env";
        warnings.push(advice.to_owned());
    }
    if secrets.iter().any(Secret::has_few_different_bytes) {
        warnings.push("the auth secret is easy to guess; make one with `openssl rand -hex 32`".to_owned());
    }
    let has_keys = key_file.is_some() || !secrets.is_empty();
    match (has_keys, issuer, audiences) {
        (true, Some(issuer), Some(audiences)) => {
            Ok(Some(ExternalOptions { issuer, audiences, secrets, key_file }))
        }
        (true, None, _) => Err(lacks("--auth-issuer", "the iss of the tokens that are to be taken")),
        (true, _, None) => Err(lacks("--auth-audience", "the aud that stands for this server in them")),
        (false, None, None) => Ok(None),
        (false, _, _) => {
            let message = "--auth-issuer and --auth-audience without --auth-jwks or --auth-secret: tokens need keys to be checked with";
            Err(ConfigError(message.to_owned()))
        }
    }
}

fn lacks(flag: &str, what: &str) -> ConfigError {
    ConfigError(format!("--auth-jwks or --auth-secret without {flag}: name {what}, too"))
}

/// Whoever may sign tokens of ours may be anybody here; another issuer may not.
fn secrets(text: &str, own: &[TokenKey]) -> Result<Vec<Secret>, String> {
    let of_each = if text.contains(',') { " for each secret" } else { "" };
    let secret = |one: &str| {
        let expected = || format!("expected at least {} bytes{of_each}", Secret::MIN_BYTES);
        let secret = Secret::new(one.as_bytes().to_vec()).ok_or_else(expected)?;
        if own.contains(&TokenKey::Given(secret.clone())) {
            return Err(
                "expected another secret than --jwt-secret, which signs this server's own tokens".to_owned()
            );
        }
        Ok(secret)
    };
    text.split(',').map(secret).collect()
}

fn issuer(text: &str) -> Result<String, String> {
    if text == DEVICE_ISSUER {
        return Err(format!("expected another name: {DEVICE_ISSUER} stands for devices"));
    }
    name(text)
}

fn audiences(text: &str) -> Result<Vec<String>, String> {
    text.split(',').map(name).collect()
}

fn name(text: &str) -> Result<String, String> {
    if (1..=MAX_NAME_BYTES).contains(&text.len()) && !text.chars().any(char::is_control) {
        return Ok(text.to_owned());
    }
    Err(format!(
        "expected 1 to {MAX_NAME_BYTES} bytes without control characters, exactly as the tokens have it"
    ))
}
