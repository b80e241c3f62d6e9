//! Log lines on standard error: one line an event, as text for people or as JSON for collectors.
//!
//! `log::info!(room:% = room, members; "opened")` becomes
//! `2026-01-02T03:04:05.678Z INFO  godra::room opened room=arena members=3`, or
//! `{"ts":"2026-01-02T03:04:05.678Z","level":"info","target":"godra::room","message":"opened","room":"arena",…}`.
//! Control characters are escaped and whatever looks like a token is blanked, so that no peer writes into the log what
//! is not true or what is a secret.

mod redact;
mod timestamp;

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::Write as _;
use std::panic::PanicHookInfo;
use std::time::SystemTime;

use log::kv::{self, Key, Value, VisitSource, VisitValue};
use log::{Level, Log, Metadata, Record};
use serde_json::{Number, Value as Json};

use redact::without_secrets;
use timestamp::Timestamp;

/// Form of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// Lines for people to read.
    Text,
    /// One JSON object a line.
    Json,
}

impl LogFormat {
    /// Its name.
    ///
    /// # Errors
    /// Says what is expected.
    pub fn parse(text: &str) -> Result<Self, String> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err("expected text or json".to_owned()),
        }
    }
}

/// Starts logging; panics are logged, too. Only the first call has an effect.
///
/// `filter` is in the syntax of `RUST_LOG`, such as `info` or `godra::room=debug,warn`.
pub(crate) fn start(format: LogFormat, filter: &str) {
    let mut builder = env_logger::Builder::new();
    builder.parse_filters(filter).format(move |out, record| {
        let line = Line::new(record, SystemTime::now());
        match format {
            LogFormat::Text => writeln!(out, "{}", line.text()),
            LogFormat::Json => writeln!(out, "{}", line.json()),
        }
    });
    let logger = builder.build();
    let most = logger.filter();
    if log::set_boxed_logger(Box::new(Discreet(logger))).is_ok() {
        log::set_max_level(most);
        std::panic::set_hook(Box::new(log_panic));
    }
}

/// A logger that takes of other crates what concerns people. What they say to find their own faults has in it what they were given:
/// the driver of PostgreSQL, for one, prints each statement with its parameters, and thus password hashes and the signing key.
struct Discreet<L>(L);

impl<L: Log> Log for Discreet<L> {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        let is_own = metadata.target().split("::").next().is_some_and(|name| name.starts_with("godra"));
        (is_own || metadata.level() <= Level::Info) && self.0.enabled(metadata)
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            self.0.log(record);
        }
    }

    fn flush(&self) {
        self.0.flush();
    }
}

fn log_panic(panic: &PanicHookInfo<'_>) {
    let payload = panic.payload();
    let owned = || payload.downcast_ref::<String>().map(String::as_str);
    let message = payload.downcast_ref::<&str>().copied().or_else(owned).unwrap_or("of an unknown type");
    let location = panic.location().map(ToString::to_string).unwrap_or_default();
    let thread = std::thread::current().name().unwrap_or("unnamed").to_owned();
    log::error!(location, thread; "panic: {message}");
}

/// One event, ready to be written.
struct Line {
    timestamp: Timestamp,
    level: Level,
    target: String,
    message: String,
    pairs: Vec<(String, Json)>,
}

impl Line {
    fn new(record: &Record<'_>, now: SystemTime) -> Self {
        let mut pairs = Pairs::default();
        // Our visitor refuses nothing.
        let _ = record.key_values().visit(&mut pairs);
        Self {
            timestamp: Timestamp::from(now),
            level: record.level(),
            target: record.target().to_owned(),
            message: without_secrets(&record.args().to_string()).into_owned(),
            pairs: pairs.0,
        }
    }

    fn text(&self) -> String {
        let Self { timestamp, level, target, message, .. } = self;
        let message = escape(message, |c| c.escape_default().to_string());
        let mut line = format!("{timestamp} {level:<5} {target} {message}");
        for (key, value) in &self.pairs {
            let value = match value {
                Json::String(text) => quote_if_needed(text),
                other => Cow::Owned(other.to_string()),
            };
            write!(line, " {key}={value}").expect("writing to a String does not fail");
        }
        line
    }

    fn json(&self) -> String {
        let Self { timestamp, level, target, message, pairs } = self;
        let own: [(&str, Json); 4] = [
            ("ts", timestamp.to_string().into()),
            ("level", level.as_str().to_ascii_lowercase().into()),
            ("target", target.as_str().into()),
            ("message", message.as_str().into()),
        ];
        let is_own = |key: &str| own.iter().any(|(own_key, _)| *own_key == key);
        let mut line = String::from("{");
        let others = pairs.iter().map(|(key, value)| (key.as_str(), value)).filter(|(key, _)| !is_own(key));
        for (index, (key, value)) in own.iter().map(|(key, value)| (*key, value)).chain(others).enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(line, "{comma}{}:{value}", Json::from(key)).expect("writing to a String does not fail");
        }
        line.push('}');
        // JSON itself asks for that of the first 32 characters alone. What stands here is within a text in any case.
        escape(&line, |c| format!("\\u{:04x}", u32::from(c))).into_owned()
    }
}

/// Whether a character would not show as itself: line breaks, what terminals take for a command, and what turns the order of
/// the text behind it.
fn is_deceptive(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A text with its deceptive characters written in another way.
fn escape(text: &str, written: impl Fn(char) -> String) -> Cow<'_, str> {
    if !text.contains(is_deceptive) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_deceptive(c) { escaped += &written(c) } else { escaped.push(c) }
    }
    Cow::Owned(escaped)
}

/// Quotes a value that would not end where it seems to.
fn quote_if_needed(text: &str) -> Cow<'_, str> {
    let is_ambiguous = |c: char| c.is_whitespace() || is_deceptive(c) || c == '"' || c == '=';
    if text.is_empty() || text.contains(is_ambiguous) {
        // Rust's form escapes most of them, but not all that turn the order.
        let quoted = format!("{text:?}");
        return Cow::Owned(escape(&quoted, |c| c.escape_default().to_string()).into_owned());
    }
    Cow::Borrowed(text)
}

/// The key-value pairs of a record.
#[derive(Default)]
struct Pairs(Vec<(String, Json)>);

impl<'kvs> VisitSource<'kvs> for Pairs {
    fn visit_pair(&mut self, key: Key<'kvs>, value: Value<'kvs>) -> Result<(), kv::Error> {
        let mut json = JsonValue(Json::Null);
        value.visit(&mut json)?;
        self.0.push((key.to_string(), json.0));
        Ok(())
    }
}

struct JsonValue(Json);

impl<'v> VisitValue<'v> for JsonValue {
    fn visit_any(&mut self, value: Value<'_>) -> Result<(), kv::Error> {
        self.visit_str(&value.to_string())
    }

    fn visit_null(&mut self) -> Result<(), kv::Error> {
        self.0 = Json::Null;
        Ok(())
    }

    fn visit_bool(&mut self, value: bool) -> Result<(), kv::Error> {
        self.0 = Json::Bool(value);
        Ok(())
    }

    fn visit_i64(&mut self, value: i64) -> Result<(), kv::Error> {
        self.0 = value.into();
        Ok(())
    }

    fn visit_u64(&mut self, value: u64) -> Result<(), kv::Error> {
        self.0 = value.into();
        Ok(())
    }

    fn visit_f64(&mut self, value: f64) -> Result<(), kv::Error> {
        // JSON has no infinities.
        self.0 = Number::from_f64(value).map_or_else(|| Json::String(value.to_string()), Json::Number);
        Ok(())
    }

    fn visit_str(&mut self, value: &str) -> Result<(), kv::Error> {
        self.0 = Json::String(without_secrets(value).into_owned());
        Ok(())
    }
}

#[cfg(test)]
mod tests;
