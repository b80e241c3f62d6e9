//! Why a command failed, in Redis's words.

use std::borrow::Cow;

/// An error reply's text: a code and what went wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure(Cow<'static, str>);

/// What a command returns: its answer is in the reply buffer, or else it failed.
pub type Outcome = Result<(), Failure>;

impl Failure {
    /// A key holds a value of another kind than the command works on.
    pub const WRONG_TYPE: Self =
        Self::fixed("WRONGTYPE Operation against a key holding the wrong kind of value");
    /// The store holds as much as it may.
    pub const FULL: Self = Self::fixed("OOM command not allowed when used memory > 'maxmemory'.");
    /// The answer is larger than whoever asks may have.
    pub const TOO_LARGE: Self = Self::fixed("ERR the answer is too large");
    /// The command would take longer than its script may.
    pub const TOO_SLOW: Self = Self::fixed("ERR the command would take too long on what the key holds");
    pub(super) const SYNTAX: Self = Self::fixed("ERR syntax error");
    pub(super) const NOT_AN_INTEGER: Self = Self::fixed("ERR value is not an integer or out of range");
    pub(super) const NOT_A_FLOAT: Self = Self::fixed("ERR value is not a valid float");
    pub(super) const NOT_POSITIVE: Self = Self::fixed("ERR value is out of range, must be positive");
    pub(super) const OUT_OF_RANGE: Self = Self::fixed("ERR value is out of range");
    pub(super) const OVERFLOW: Self = Self::fixed("ERR increment or decrement would overflow");
    pub(super) const NAN_OR_INFINITY: Self = Self::fixed("ERR increment would produce NaN or Infinity");
    pub(super) const NO_SUCH_KEY: Self = Self::fixed("ERR no such key");
    pub(super) const TOO_LONG: Self =
        Self::fixed("ERR string exceeds maximum allowed size (proto-max-bulk-len)");

    /// A text known in advance.
    pub const fn fixed(text: &'static str) -> Self {
        Self(Cow::Borrowed(text))
    }

    /// A text made for the occasion.
    pub fn new(text: String) -> Self {
        Self(Cow::Owned(text))
    }

    /// The text, as the reply carries it.
    pub fn text(&self) -> &str {
        &self.0
    }

    pub(super) fn wrong_arity(command: &str) -> Self {
        Self::new(format!("ERR wrong number of arguments for '{command}' command"))
    }

    pub(super) fn expire_time(command: &str) -> Self {
        Self::new(format!("ERR invalid expire time in '{command}' command"))
    }
}

/// A number outside its limits.
pub(super) fn out_of_range(min: i64, max: i64) -> Failure {
    Failure::new(format!("ERR value is out of range, value must between {min} and {max}"))
}

/// A caller's bytes for an error text: on one line, and not longer than `max_len`.
pub(super) fn quoted(bytes: &[u8], max_len: usize) -> String {
    String::from_utf8_lossy(as_c_string(bytes, max_len)).replace(['\r', '\n'], " ")
}

/// What C sees of the bytes: up to the first zero.
pub(super) fn as_c_string(bytes: &[u8], max_len: usize) -> &[u8] {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len()).min(max_len);
    &bytes[..end]
}
