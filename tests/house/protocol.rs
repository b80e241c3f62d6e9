//! What `sdk/PROTOCOL.md` promises is what the server's tables and limits say.

use std::fs;
use std::path::Path;
use std::time::Duration;

use godra::config::BuiltInLimits;
use godra::session::{MAX_OPTIONS_BYTES, Methods, Route, STRANGERS_BODY};
use godra::state::HistoryBounds;
use godra::wire::message::{KEPT_ANSWERS, MAX_ANSWER_BYTES, MAX_DEPTH, MAX_N, MessageType};
use godra::wire::ws::MAX_FRAGMENTS;

pub fn protocol() -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("sdk/PROTOCOL.md")).unwrap()
}

/// The rows of the first table under a heading, as their cells.
#[track_caller]
fn table(heading: &str) -> Vec<Vec<String>> {
    let text = protocol();
    let section =
        text.split(&format!("# {heading}\n")).nth(1).unwrap_or_else(|| panic!("no heading {heading:?}"));
    let lines =
        section.lines().skip_while(|line| !line.starts_with('|')).take_while(|line| line.starts_with('|'));
    let cells = |line: &str| line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect();
    lines.skip(2).map(cells).collect()
}

#[test]
fn messages_from_the_server() {
    let listed: Vec<String> =
        table("Messages from the server").into_iter().map(|row| row[0].clone()).collect();
    let mut names: Vec<String> = MessageType::ALL.iter().map(|known| format!("`{}`", known.name)).collect();
    names.push("any other".to_owned());
    let (mut listed_sorted, mut names_sorted) = (listed, names);
    listed_sorted.sort();
    names_sorted.sort();
    assert_eq!(listed_sorted, names_sorted);
}

#[test]
fn routes() {
    let text = protocol();
    for route in Route::ALL.iter().filter(|route| route.path().starts_with('/') && route.path().len() > 1) {
        let method = match route.methods() {
            Methods::Post => "POST",
            Methods::Delete => "DELETE",
            _ => "GET",
        };
        let named = format!("{method} {}", route.path());
        assert!(text.contains(&named), "{named} is not described");
    }
}

#[test]
fn limits() {
    let rows = table("Limits");
    let limits = BuiltInLimits::default();
    let seconds = |time: Duration| format!("{} s", time.as_secs());
    let kib = |bytes: usize| {
        if bytes >= 1 << 20 { format!("{} MiB", bytes >> 20) } else { format!("{} KiB", bytes >> 10) }
    };
    let (http, websocket) = (&limits.http, &limits.websocket);
    let expected = [
        (
            "request line and headers",
            format!(
                "{}, {} headers, {}",
                kib(http.max_head_bytes),
                http.max_headers,
                seconds(http.head_timeout)
            ),
        ),
        (
            "request body",
            format!(
                "{} for a call, else {}, {}",
                kib(http.max_body_bytes),
                kib(STRANGERS_BODY),
                seconds(http.body_timeout)
            ),
        ),
        ("new connection until its first request is there", seconds(http.head_timeout)),
        ("kept-alive connection without a request", seconds(http.keep_alive_timeout)),
        (
            "message from the client",
            format!("{} KiB (`--max-message-bytes`)", flag("max-message-bytes", "") >> 10),
        ),
        (
            "levels of arrays and objects",
            format!("{MAX_DEPTH} in a message, in the body of an RPC, and in an event's payload"),
        ),
        ("options of a join", format!("{MAX_OPTIONS_BYTES} bytes of JSON, {MAX_DEPTH} levels")),
        ("fragments of one message", thousands(MAX_FRAGMENTS.into())),
        (
            "a message, from its first byte to its last",
            format!("{}, also if pings come between", seconds(http.body_timeout)),
        ),
        ("inputs per second", rate("input-rate")),
        ("calls and joins of a user per second", rate("rpc-rate")),
        (
            "logins and new users per minute",
            format!("{} from an address (`--login-rate`)", flag("login-rate", "")),
        ),
        (
            "connections",
            format!("{} from an address (`--max-connections-per-ip`)", flag("max-connections-per-ip", "")),
        ),
        ("inputs that wait for their answers", format!("{} per connection", limits.inputs.max_waiting)),
        (
            "bytes of inputs that wait",
            format!(
                "{} per connection, {} per room, {} in all",
                kib(limits.inputs.max_waiting_bytes),
                kib(limits.rooms.max_waiting_bytes),
                kib(limits.inputs.max_waiting_bytes_in_all)
            ),
        ),
        ("numbers of inputs", format!("1 to 2^{}", MAX_N.ilog2())),
        (
            "first answers to numbered inputs",
            format!("{KEPT_ANSWERS} per user and room, {MAX_ANSWER_BYTES} bytes each, for 1 to 2 hours"),
        ),
        (
            "inputs refused as `busy`",
            format!("{} within {}", thousands(websocket.max_busy.into()), seconds(websocket.busy_window)),
        ),
        ("malformed messages", format!("{} more than good ones", websocket.max_errors)),
        (
            "silence",
            format!(
                "the server pings after {}, waits {}",
                seconds(websocket.ping_after),
                seconds(websocket.pong_wait)
            ),
        ),
        ("unread events", kib(limits.outbox.soft_bytes)),
        ("events kept for who comes back", {
            let HistoryBounds { events, age_ms, bytes } = HistoryBounds::default();
            format!("{events} a room, {} s, {}", age_ms / 1000, kib(bytes))
        }),
        (
            "unread bytes",
            format!(
                "{}, or none taken for {}",
                kib(limits.outbox.hard_bytes),
                seconds(limits.outbox.stall_timeout)
            ),
        ),
        (
            "bytes of all connections that have come in part, wait or are unread",
            format!("{} MiB (`--buffer-memory`)", flag("buffer-memory", "m")),
        ),
        ("the client's half of a close", seconds(websocket.close_wait)),
        (
            "time and memory of a script",
            format!(
                "{} ms, {} MiB (flags)",
                flag("script-time-budget", "ms"),
                flag("script-memory-budget", "m")
            ),
        ),
    ];
    let rows: Vec<(&str, &str)> = rows.iter().map(|row| (&*row[0], &*row[1])).collect();
    assert_eq!(rows, expected.each_ref().map(|(what, limit)| (*what, limit.as_str())));
}

/// What a flag is by default, as its help says: a number of some unit.
#[track_caller]
pub fn flag(name: &str, unit: &str) -> u64 {
    let help = help(name);
    let default = help.split("[default: ").nth(1).and_then(|rest| rest.split(']').next());
    let number =
        default.and_then(|default| default.strip_suffix(unit)).and_then(|number| number.parse().ok());
    number.unwrap_or_else(|| panic!("--{name} is not in {unit:?} by default: {help}"))
}

/// A rate, and the twice as much that may come at once.
#[track_caller]
fn rate(name: &str) -> String {
    let rate = flag(name, "");
    format!("{rate}, {} at once (`--{name}`)", 2 * rate)
}

#[track_caller]
fn help(flag: &str) -> String {
    let command = godra::config::with_flags(clap::Command::new("godra"));
    let argument = command.get_arguments().find(|argument| argument.get_id() == flag);
    let argument = argument.unwrap_or_else(|| panic!("there is no --{flag}"));
    argument.get_help().expect("every flag has one").to_string()
}

fn thousands(number: u64) -> String {
    if number < 1000 { number.to_string() } else { format!("{},{:03}", number / 1000, number % 1000) }
}
