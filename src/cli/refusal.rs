//! What is said of arguments that make no sense. A word that is out of place may be a password, or a part of one: none is
//! repeated, but the number of its place is told.

use std::ffi::OsString;

use clap::Error;
use clap::error::{ContextKind, ContextValue, ErrorKind};

/// The error on one line.
pub(super) fn of(error: &Error, arguments: &[OsString]) -> String {
    let problem = match error.kind() {
        ErrorKind::UnknownArgument => stray(error, ContextKind::InvalidArg, arguments),
        ErrorKind::InvalidSubcommand => stray(error, ContextKind::InvalidSubcommand, arguments),
        ErrorKind::InvalidValue | ErrorKind::ValueValidation | ErrorKind::TooManyValues => value(error),
        ErrorKind::ArgumentConflict => conflict(error, arguments),
        // They name what is missing, or flags of ours.
        ErrorKind::MissingRequiredArgument | ErrorKind::MissingSubcommand | ErrorKind::InvalidUtf8 => {
            first_line(error)
        }
        _ => "the arguments make no sense".to_owned(),
    };
    format!("{problem}; see godra --help")
}

fn stray(error: &Error, kind: ContextKind, arguments: &[OsString]) -> String {
    let word = text(error, kind).unwrap_or_default();
    let is_it = |argument: &OsString| {
        let argument = argument.to_string_lossy();
        argument == word || argument.strip_prefix(word).is_some_and(|rest| rest.starts_with('='))
    };
    // The first one is the program.
    let place = arguments.iter().skip(1).position(is_it).map(|index| format!("argument {}", index + 1));
    let similar = [ContextKind::SuggestedArg, ContextKind::SuggestedSubcommand].into_iter().find_map(
        |kind| match error.get(kind)? {
            ContextValue::String(name) => Some(name.as_str()),
            ContextValue::Strings(names) => names.first().map(String::as_str),
            _ => None,
        },
    );
    let tip = similar.map(|similar| format!(" (a similar one exists: {similar})")).unwrap_or_default();
    format!("{} is not known{tip}", place.as_deref().unwrap_or("an argument"))
}

/// Flags stand in front of a subcommand, or of a word that is none.
fn conflict(error: &Error, arguments: &[OsString]) -> String {
    match text(error, ContextKind::InvalidSubcommand) {
        Some(word) if !super::SUBCOMMANDS.contains(&word) => {
            stray(error, ContextKind::InvalidSubcommand, arguments)
        }
        Some(subcommand) => format!("the flags of {subcommand} come behind it"),
        None => "flags of one kind are there that do not go together".to_owned(),
    }
}

fn value(error: &Error) -> String {
    let flag = text(error, ContextKind::InvalidArg).unwrap_or_default();
    if text(error, ContextKind::InvalidValue).is_some_and(str::is_empty) {
        return first_line(error);
    }
    let allowed = match error.get(ContextKind::ValidValue) {
        Some(ContextValue::Strings(allowed)) if !allowed.is_empty() => {
            format!(": expected {}", allowed.join(" or "))
        }
        _ => String::new(),
    };
    format!("invalid value for '{flag}'{allowed}")
}

fn text(error: &Error, kind: ContextKind) -> Option<&str> {
    match error.get(kind)? {
        ContextValue::String(text) => Some(text),
        _ => None,
    }
}

/// What clap says over several lines, without the usage.
fn first_line(error: &Error) -> String {
    let text = error.to_string();
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let first = lines.next().unwrap_or_default().trim_start_matches("error: ");
    // What is missing stands below.
    let below = if first.ends_with(':') { lines.next() } else { None };
    [Some(first), below].into_iter().flatten().collect::<Vec<_>>().join(" ")
}
