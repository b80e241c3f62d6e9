//! The variables of a `.env` file.

use std::collections::HashMap;
use std::io;
use std::path::Path;

use super::ConfigError;
use super::environment::{PREFIX, unknown_setting};
use super::settings::secret_variables;
use crate::wire::without_mark;

/// The variables of a `.env` file.
#[derive(Debug, Default)]
pub(super) struct DotEnv(HashMap<String, String>);

impl DotEnv {
    /// Reads the file; without one there are no variables.
    pub(super) fn read(path: &Path) -> Result<Self, ConfigError> {
        match std::fs::read_to_string(path) {
            Ok(text) => Self::parse(&text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(ConfigError(format!(".env: cannot be read: {error}"))),
        }
    }

    /// The variables in a text.
    pub(super) fn parse(text: &str) -> Result<Self, ConfigError> {
        let text = without_mark(text);
        let read: Vec<(String, String)> = dotenvy::from_read_iter(text.as_bytes())
            .collect::<Result<_, _>>()
            .map_err(|error| ConfigError(describe_dot_env_error(&error, text)))?;
        refuse_changed_secrets(text, &read)?;
        let mut variables = HashMap::new();
        for (name, value) in read.into_iter().filter(|(_, value)| !value.is_empty()) {
            variables.entry(name).or_insert(value);
        }
        Ok(Self(variables))
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// What of it is not taken though it seems to be meant, a sentence each.
    pub(super) fn warnings(&self) -> Vec<String> {
        let mut warnings: Vec<_> = self.0.keys().filter_map(|name| unknown_setting(name, ".env")).collect();
        warnings.sort();
        warnings
    }
}

/// The lines that set a secret: number and name of each, and what is behind its `=`.
fn secret_lines(text: &str) -> impl Iterator<Item = (usize, &str, &str)> {
    let is_secret = |name: &str| {
        let bare = name.strip_prefix(PREFIX).unwrap_or(name);
        secret_variables().any(|variable| variable == bare)
    };
    let split = |(index, line)| {
        let (left, value) = str::split_once(line, '=')?;
        let left = left.trim();
        let exported = left.strip_prefix("export").filter(|rest| rest.starts_with(char::is_whitespace));
        Some((index + 1, exported.unwrap_or(left).trim_start(), value))
    };
    text.lines().enumerate().filter_map(split).filter(move |(_, name, _)| is_secret(name))
}

/// Whether a secret that was read so is what stands behind the `=`: bare, or between two quotes. A comment may follow.
fn is_verbatim(raw: &str, read: &str) -> bool {
    let is_comment = |rest: &str| rest.starts_with(char::is_whitespace) && rest.trim_start().starts_with('#');
    let ends = |rest: &str| rest.trim().is_empty() || is_comment(rest);
    let value = raw.trim_start();
    let in_quotes = |quote: char| value.strip_prefix(quote)?.strip_prefix(read)?.strip_prefix(quote);
    if read.is_empty() && ends(raw) {
        return true;
    }
    [in_quotes('\''), in_quotes('"'), value.strip_prefix(read)].into_iter().flatten().any(ends)
}

/// The reader of such files replaces a `$` and the name behind it by another variable's value, and drops quotes and backslashes: a
/// password that has one would be another.
fn refuse_changed_secrets(text: &str, read: &[(String, String)]) -> Result<(), ConfigError> {
    for (number, name, raw) in secret_lines(text) {
        if !read.iter().any(|(other, value)| other == name && is_verbatim(raw, value)) {
            return Err(ConfigError(format!(
                ".env: line {number} would be read as another {name} than stands there; put the whole value in single quotes, and if it \
                 has one itself or more lines, set it in the environment"
            )));
        }
    }
    Ok(())
}

/// Names the line by its number, as all of it may be a secret.
fn describe_dot_env_error(error: &dotenvy::Error, text: &str) -> String {
    match error {
        dotenvy::Error::LineParse(part, _) => {
            let part = part.trim_end();
            let is_it = |line: &str| !part.is_empty() && line.contains(part);
            let number = text.lines().position(is_it).map(|index| index + 1);
            let line = number.map_or("a line".to_owned(), |number| format!("line {number}"));
            format!(
                ".env: {line} is not NAME=value; a value with spaces, quotes, $ or \\ needs single quotes around it"
            )
        }
        other => format!(".env: cannot be read: {other}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_read_as_it_stands_or_refused() {
        let taken = |line: &str, expected: &str| {
            let read = DotEnv::parse(line).unwrap_or_else(|refusal| panic!("{line}: {refusal}"));
            assert_eq!(read.get("JWT_SECRET"), Some(expected).filter(|value| !value.is_empty()), "{line}");
        };
        taken("JWT_SECRET=abc", "abc");
        taken("  export\tJWT_SECRET = abc  # the key\r\n", "abc");
        taken("JWT_SECRET=ab#c,d=+/e", "ab#c,d=+/e");
        taken("JWT_SECRET='a$b\"c\\d #e' # f", "a$b\"c\\d #e");
        taken("JWT_SECRET=\"ab 'c' #d\"", "ab 'c' #d");
        taken("JWT_SECRET=", "");
        taken("JWT_SECRET= # none", "");
        taken("JWT_SECRET=''", "");
        taken("# JWT_SECRET=$a\nJWT_SECRETS=$b", "");
        taken("JWT_SECRET=abc\nJWT_SECRET='def'", "abc");
        for line in [
            "JWT_SECRET=ab\\\\$HOME",
            "JWT_SECRET='ab'$HOME",
            "export\tJWT_SECRET=a$HOME",
            "JWT_SECRET=\"a${HOME}\"",
            "JWT_SECRET=$NOTHING_OF_THAT_NAME",
            "JWT_SECRET=ab\\$c",
            "JWT_SECRET=ab\"cd\"ef",
            "JWT_SECRET='ab'\"cd\"",
            "JWT_SECRET=a'b c'",
            "JWT_SECRET=\"a\\nb\"",
            "JWT_SECRET='a\nb'",
            "JWT_SECRET=#abc",
            "GODRA_DB_DSN=\"host=a password='x' user=b\"c",
            "A='\nREDIS_ADDR=$x\n'",
            "PORT=1\nAUTH_SECRET=a\\\\b",
        ] {
            let refusal = DotEnv::parse(line).map(|_| line).unwrap_err().0;
            assert!(
                refusal.contains("would be read as another") && !refusal.contains("ab"),
                "{line}: {refusal}"
            );
        }
    }
}
