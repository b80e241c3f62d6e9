//! What a token of another issuer says.

use serde::Deserialize;
use serde_json::Value;

use super::{ExternalError, ExternalUser};
use crate::account::token::{LEEWAY_S, NumericDate, TokenError};

/// Longest subject, in bytes: OpenID Connect Core 1.0, section 2.
pub(super) const MAX_SUBJECT_BYTES: usize = 255;
/// A token may be good for no longer than this from now on, in seconds: whoever copies one can log in with it until then.
pub(super) const LONGEST_S: u64 = 24 * 3600;

/// The claims that are read; others are ignored (RFC 7519 section 4).
#[derive(Deserialize)]
pub(super) struct Claims {
    iss: String,
    aud: Audience,
    sub: String,
    exp: NumericDate,
    nbf: Option<NumericDate>,
    iat: Option<NumericDate>,
    #[serde(default)]
    preferred_username: Value,
    #[serde(default)]
    name: Value,
}

/// One, or several (RFC 7519 section 4.1.3).
#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Several(Vec<String>),
}

impl Audience {
    fn names(&self, own: &[String]) -> bool {
        match self {
            Self::One(one) => own.contains(one),
            Self::Several(several) => several.iter().any(|one| own.contains(one)),
        }
    }
}

impl Claims {
    pub(super) fn check(
        self,
        issuer: &str,
        audiences: &[String],
        now_s: u64,
    ) -> Result<ExternalUser, ExternalError> {
        if self.iss != issuer {
            return Err(ExternalError::Issuer);
        }
        if !self.aud.names(audiences) {
            return Err(ExternalError::Audience);
        }
        self.check_times(now_s)?;
        if !is_subject(&self.sub) {
            return Err(ExternalError::Subject);
        }
        let names = [self.preferred_username, self.name].into_iter().filter_map(|claim| match claim {
            Value::String(name) => Some(name),
            _ => None,
        });
        Ok(ExternalUser { issuer: self.iss, names: names.collect(), subject: self.sub })
    }

    fn check_times(&self, now_s: u64) -> Result<(), ExternalError> {
        if self.exp.0.saturating_add(LEEWAY_S) <= now_s {
            return Err(ExternalError::Token(TokenError::Expired));
        }
        let begins = [self.nbf, self.iat].into_iter().flatten();
        if begins.into_iter().any(|time| time.0 > now_s.saturating_add(LEEWAY_S)) {
            return Err(ExternalError::Token(TokenError::NotYetValid));
        }
        if self.exp.0 > now_s.saturating_add(LONGEST_S).saturating_add(LEEWAY_S) {
            return Err(ExternalError::LastsTooLong);
        }
        Ok(())
    }
}

fn is_subject(text: &str) -> bool {
    (1..=MAX_SUBJECT_BYTES).contains(&text.len()) && !text.chars().any(char::is_control)
}
