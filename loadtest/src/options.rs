//! The command line: raw flags, parsed once into [`Options`] and a scenario that the rest can trust.

use crate::traffic::Traffic;
use clap::{Args, Parser, Subcommand};
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::time::Duration;

/// Load tester for a Godra server: open-loop scenarios whose every delivery is checked.
///
/// Exit code 0: all went well. 1: the server broke a promise. 2: the test itself could not be done.
#[derive(Parser, Debug)]
#[command(version, max_term_width = 110)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub scenario: Scenario,
}

/// What to do, with what is special to each.
#[derive(Subcommand, Debug)]
pub enum Scenario {
    /// Connect and stay: what an idle connection costs
    Hold(Hold),
    /// Rooms of players who all send inputs at a rate
    Rooms(Rooms),
    /// One room with very many members
    BigRoom(BigRoom),
    /// Raise the rate until p99 exceeds a limit, and report the knee
    Saturate(Saturate),
    /// Very many connect at once while some play
    StormConnect(Storm),
    /// Very many are cut off and all come back at once while some play
    StormReconnect(Storm),
    /// Very many log in with passwords while some play
    StormLogin(StormLogin),
    /// A share of the players never reads
    Slow(Slow),
    /// As in life: moves at 20 Hz, chat, people who come and go
    Mixed(Mixed),
    /// Cost for each event against the number of connections
    Sweep(Sweep),
    /// What the machine itself costs: send, recv, accept and upgrade, memory of a socket
    Floor(FloorOnly),
}

impl Scenario {
    /// Its name on the command line.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Hold(_) => "hold",
            Self::Rooms(_) => "rooms",
            Self::BigRoom(_) => "big-room",
            Self::Saturate(_) => "saturate",
            Self::StormConnect(_) => "storm-connect",
            Self::StormReconnect(_) => "storm-reconnect",
            Self::StormLogin(_) => "storm-login",
            Self::Slow(_) => "slow",
            Self::Mixed(_) => "mixed",
            Self::Sweep(_) => "sweep",
            Self::Floor(_) => "floor",
        }
    }

    /// The flags that all scenarios share.
    pub fn common(&self) -> &Common {
        match self {
            Self::Hold(args) => &args.common,
            Self::Rooms(args) => &args.common,
            Self::BigRoom(args) => &args.common,
            Self::Saturate(args) => &args.common,
            Self::StormConnect(args) | Self::StormReconnect(args) => &args.common,
            Self::StormLogin(args) => &args.common,
            Self::Slow(args) => &args.common,
            Self::Mixed(args) => &args.common,
            Self::Sweep(args) => &args.common,
            Self::Floor(args) => &args.common,
        }
    }
}

/// `hold`
#[derive(Args, Debug)]
pub struct Hold {
    /// Connections in all
    #[arg(long, default_value_t = 1_000, value_parser = at_least_one)]
    pub connections: usize,
    /// Members of a room
    #[arg(long, default_value_t = 10, value_parser = at_least_one)]
    pub room_size: usize,
    /// Connections at which memory is measured first; the slope runs from here
    #[arg(long, default_value_t = 1_000, value_parser = at_least_one)]
    pub base: usize,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub common: Common,
}

/// `rooms`
#[derive(Args, Debug)]
pub struct Rooms {
    /// Rooms
    #[arg(long, default_value_t = 40, value_parser = at_least_one)]
    pub rooms: usize,
    /// Players in each room
    #[arg(long, default_value_t = 50, value_parser = at_least_one)]
    pub players: usize,
    /// Inputs a second of each player
    #[arg(long, default_value_t = 10.0, value_parser = positive)]
    pub rate: f64,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub common: Common,
}

/// `big-room`
#[derive(Args, Debug)]
pub struct BigRoom {
    /// Members of the room
    #[arg(long, default_value_t = 5_000, value_parser = at_least_one)]
    pub players: usize,
    /// Inputs a second of all members together
    #[arg(long, default_value_t = 20.0, value_parser = positive)]
    pub total_rate: f64,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub common: Common,
}

/// `saturate`
#[derive(Args, Debug)]
pub struct Saturate {
    /// Players in all
    #[arg(long, default_value_t = 1_000, value_parser = at_least_one)]
    pub players: usize,
    /// Members of a room
    #[arg(long, default_value_t = 10, value_parser = at_least_one)]
    pub room_size: usize,
    /// Inputs a second of all players together, in the first step
    #[arg(long, default_value_t = 5_000.0, value_parser = positive)]
    pub start_rate: f64,
    /// Each step has this many times the rate of the one before
    #[arg(long, default_value_t = 1.5, value_parser = above_one)]
    pub step: f64,
    /// The knee is the highest rate whose 99th percentile stays within this
    #[arg(long, default_value_t = 100.0, value_parser = positive)]
    pub slo_ms: f64,
    /// Time for a new rate to settle before it is measured (each step takes --duration)
    #[arg(long, default_value = "2s", value_parser = duration)]
    pub settle: Duration,
    /// Steps between the last good rate and the first bad one, each halving what is between them
    #[arg(long, default_value_t = 3)]
    pub refine: usize,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub common: Common,
}

/// Rooms that play while something else happens.
#[derive(Args, Debug, Clone)]
pub struct Playing {
    /// Rooms that play meanwhile
    #[arg(long, default_value_t = 10)]
    pub rooms: usize,
    /// Players in each of them
    #[arg(long, default_value_t = 10, value_parser = at_least_one)]
    pub players: usize,
    /// Inputs a second of each of these players
    #[arg(long, default_value_t = 10.0, value_parser = positive)]
    pub rate: f64,
}

/// `storm-connect` and `storm-reconnect`
#[derive(Args, Debug)]
pub struct Storm {
    /// Clients that come at once
    #[arg(long, default_value_t = 10_000, value_parser = at_least_one)]
    pub connections: usize,
    /// Members of a room of these clients
    #[arg(long, default_value_t = 10, value_parser = at_least_one)]
    pub room_size: usize,
    /// How many may be between connect and welcome (0: no limit)
    #[arg(long, default_value_t = 0)]
    pub in_flight: usize,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub playing: Playing,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub common: Common,
}

/// `storm-login`
#[derive(Args, Debug)]
pub struct StormLogin {
    /// Logins in all
    #[arg(long, default_value_t = 200, value_parser = at_least_one)]
    pub logins: usize,
    /// Connections that log in at the same time
    #[arg(long, default_value_t = 32, value_parser = at_least_one)]
    pub logins_at_once: usize,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub playing: Playing,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub common: Common,
}

/// `slow`
#[derive(Args, Debug)]
pub struct Slow {
    /// Rooms
    #[arg(long, default_value_t = 20, value_parser = at_least_one)]
    pub rooms: usize,
    /// Players in each room
    #[arg(long, default_value_t = 20, value_parser = at_least_one)]
    pub players: usize,
    /// Inputs a second of each player
    #[arg(long, default_value_t = 10.0, value_parser = positive)]
    pub rate: f64,
    /// Share of the players that never reads
    #[arg(long, default_value_t = 0.05, value_parser = share)]
    pub share: f64,
    /// Receive buffer of those who never read, in bytes (0: the system's choice)
    #[arg(long, default_value_t = 4_096)]
    pub slow_receive_buffer: usize,
    /// Longest time that they have to be closed after they read again
    #[arg(long, default_value = "10s", value_parser = duration)]
    pub patience: Duration,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub common: Common,
}

/// `mixed`
#[derive(Args, Debug)]
pub struct Mixed {
    /// Rooms
    #[arg(long, default_value_t = 20, value_parser = at_least_one)]
    pub rooms: usize,
    /// Players in each room
    #[arg(long, default_value_t = 10, value_parser = at_least_one)]
    pub players: usize,
    /// Inputs a second of each player
    #[arg(long, default_value_t = 20.0, value_parser = positive)]
    pub rate: f64,
    /// Lines of chat a second of each player
    #[arg(long, default_value_t = 0.1, value_parser = not_negative)]
    pub chat: f64,
    /// Share of the players that leaves every second
    #[arg(long, default_value_t = 0.01, value_parser = not_negative)]
    pub churn: f64,
    /// How long each stays away
    #[arg(long, default_value = "500ms", value_parser = duration)]
    pub away: Duration,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub common: Common,
}

/// `sweep`
#[derive(Args, Debug)]
pub struct Sweep {
    /// Numbers of connections, ascending
    #[arg(long, value_delimiter = ',', default_value = "1000,5000,10000,15000,19000", value_parser = at_least_one)]
    pub counts: Vec<usize>,
    /// Members of a room
    #[arg(long, default_value_t = 50, value_parser = at_least_one)]
    pub room_size: usize,
    /// Inputs a second of each player
    #[arg(long, default_value_t = 0.1, value_parser = positive)]
    pub rate: f64,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub common: Common,
}

/// `floor`
#[derive(Args, Debug)]
pub struct FloorOnly {
    /// Sockets to send over in turn
    #[arg(long, default_value_t = 1_000, value_parser = at_least_one)]
    pub connections: usize,
    /// Bytes in a frame that is sent
    #[arg(long, default_value_t = 1_000, value_parser = at_least_one)]
    pub frame_bytes: usize,
    /// Sockets that get the frame in one go, before the next pause
    #[arg(long, default_value_t = 50, value_parser = at_least_one)]
    pub burst: usize,
    /// Frames a second in all
    #[arg(long, default_value_t = 20_000.0, value_parser = positive)]
    pub frames_per_second: f64,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub common: Common,
}

/// Flags that every scenario takes.
#[derive(Args, Debug, Clone)]
pub struct Common {
    /// The server under test
    #[arg(long, default_value = "http://127.0.0.1:8080", help_heading = "Server")]
    pub url: String,
    /// Start this server (its flags after --) on a free port, observe it, and stop it at the end
    #[arg(long, value_name = "PROGRAM", help_heading = "Server", conflicts_with = "server_pid")]
    pub spawn: Option<PathBuf>,
    /// Where the output of the started server goes
    #[arg(long, value_name = "FILE", help_heading = "Server")]
    pub server_log: Option<PathBuf>,
    /// Observe the CPU time and memory of this process as the server's
    #[arg(long, value_name = "PID", help_heading = "Server")]
    pub server_pid: Option<u32>,
    /// Observe this process too, such as a Redis
    #[arg(long, value_name = "PID", help_heading = "Server")]
    pub also_pid: Vec<u32>,
    /// Core for the started server, and for the floor's own measurements
    #[arg(long, value_name = "CORE", help_heading = "Server")]
    pub server_core: Option<usize>,
    /// Names of the server's threads that run scripts begin so; their time is reported apart
    #[arg(long, value_name = "PREFIX", default_value = "engine", help_heading = "Server")]
    pub engine_threads: String,

    /// Worker threads in each process
    #[arg(long, default_value_t = 1, value_parser = at_least_one, help_heading = "Tester")]
    pub threads: usize,
    /// Processes to spread the clients over
    #[arg(long, default_value_t = 1, value_parser = at_least_one, help_heading = "Tester")]
    pub processes: usize,
    /// First core for the tester itself
    #[arg(long, value_name = "CORE", help_heading = "Tester")]
    pub pin_core: Option<usize>,
    /// Loopback addresses to connect from, in turn (default: one for each 20,000 connections)
    #[arg(long, value_parser = at_least_one, help_heading = "Tester")]
    pub source_addresses: Option<usize>,
    /// Seed of everything random
    #[arg(long, default_value_t = 1, help_heading = "Tester")]
    pub seed: u64,

    /// Time to measure
    #[arg(long, default_value = "10s", value_parser = duration, help_heading = "Traffic")]
    pub duration: Duration,
    /// Time to play before it counts
    #[arg(long, default_value = "2s", value_parser = duration, help_heading = "Traffic")]
    pub warmup: Duration,
    /// Connections made a second while clients come in
    #[arg(long, default_value_t = 2_000.0, value_parser = positive, help_heading = "Traffic")]
    pub connect_rate: f64,
    /// Time over which clients come in (instead of --connect-rate)
    #[arg(long, value_parser = duration, help_heading = "Traffic")]
    pub ramp: Option<Duration>,
    /// Longest time until all clients are in
    #[arg(long, default_value = "60s", value_parser = duration, help_heading = "Traffic")]
    pub join_timeout: Duration,
    /// The action of the inputs: the script that they run
    #[arg(long, visible_alias = "script", default_value = "move_player", help_heading = "Traffic")]
    pub action: String,
    /// Their payload as JSON, with {x} {y} {n} {pad} for a place, a number and the padding
    #[arg(long, value_name = "JSON", help_heading = "Traffic")]
    pub payload: Option<String>,
    /// Bytes of padding in each payload
    #[arg(long, default_value_t = 0, help_heading = "Traffic")]
    pub payload_bytes: usize,
    /// Where players walk: a square of a quarter from here
    #[arg(long, value_name = "X,Y", default_value = "10,10", value_parser = point, allow_hyphen_values = true, help_heading = "Traffic")]
    pub origin: (f64, f64),
    /// An input comes up to this share of its period later than regular
    #[arg(long, default_value_t = 0.5, value_parser = share, help_heading = "Traffic")]
    pub jitter: f64,
    /// Clients that come back say where they left off
    #[arg(long, help_heading = "Traffic")]
    pub resume: bool,
    /// How long answers may take at the end before they count as lost
    #[arg(long, default_value = "5s", value_parser = duration, help_heading = "Traffic")]
    pub grace: Duration,

    /// Do not measure what the machine itself costs
    #[arg(long, help_heading = "Report")]
    pub no_floor: bool,
    /// Time between two points of the report's plots
    #[arg(long, default_value = "1s", value_parser = duration, help_heading = "Report")]
    pub interval: Duration,
    /// Write the results as JSON
    #[arg(long, value_name = "FILE", help_heading = "Report")]
    pub json: Option<PathBuf>,
    /// Write the results as a page with plots
    #[arg(long, value_name = "FILE", help_heading = "Report")]
    pub html: Option<PathBuf>,

    /// Flags of the started server
    #[arg(last = true, value_name = "SERVER FLAGS", requires = "spawn")]
    pub server_flags: Vec<String>,
}

/// What the workers and the set-up need to know.
#[derive(Clone, Debug)]
pub struct Options {
    /// Worker threads in each process.
    pub threads: usize,
    /// Processes.
    pub processes: usize,
    /// First core of the tester.
    pub pin_core: Option<usize>,
    /// Loopback addresses to connect from.
    pub source_addresses: Option<usize>,
    /// Seed of everything random.
    pub seed: u64,
    /// What inputs look like.
    pub traffic: Traffic,
    /// Share of a period.
    pub jitter: f64,
    /// Clients that come back say where they left off.
    pub resume: bool,
    /// Receive buffer of slow clients.
    pub slow_receive_buffer_bytes: Option<usize>,
    /// The name in the URL; none when the server was started here.
    host: Option<String>,
}

impl Options {
    /// From the command line; `host` is the authority of the URL if that is what is tested.
    pub fn new(scenario: &Scenario, host: Option<String>) -> Result<Self, String> {
        let common = scenario.common();
        if let Some(payload) = &common.payload {
            let sample = payload.replace("{x}", "1").replace("{y}", "1").replace("{n}", "1");
            serde_json::from_str::<serde_json::Value>(&sample).map_err(|error| {
                format!("--payload: not JSON once {{x}}, {{y}} and {{n}} are numbers: {error}")
            })?;
        }
        let slow_receive_buffer = match scenario {
            Scenario::Slow(slow) => slow.slow_receive_buffer,
            _ => 0,
        };
        Ok(Self {
            threads: common.threads,
            processes: common.processes,
            pin_core: common.pin_core,
            source_addresses: common.source_addresses,
            seed: common.seed,
            traffic: Traffic {
                action: common.action.clone(),
                payload: common.payload.clone(),
                padding_bytes: common.payload_bytes,
                origin: common.origin,
            },
            jitter: common.jitter,
            resume: common.resume,
            slow_receive_buffer_bytes: (slow_receive_buffer > 0).then_some(slow_receive_buffer),
            host,
        })
    }

    /// The `Host` header for a target.
    pub fn host(&self, target: SocketAddr) -> String {
        self.host.clone().unwrap_or_else(|| target.to_string())
    }

    #[cfg(test)]
    pub fn for_test() -> Self {
        let cli = Cli::parse_from(["loadtest", "rooms"]);
        Self::new(&cli.scenario, None).unwrap()
    }
}

/// Splits a URL into its authority and the address that it stands for.
pub fn resolve(url: &str) -> Result<(String, SocketAddr), String> {
    let bad = |reason: &str| format!("--url {url}: {reason}; expected is http://HOST[:PORT]");
    let rest = url.strip_prefix("http://").ok_or_else(|| bad("not http"))?;
    let authority = rest.strip_suffix('/').unwrap_or(rest);
    if authority.is_empty() || authority.contains(['/', '?', '#', '@']) {
        return Err(bad("more or less than a host"));
    }
    let has_port = authority.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    let with_port = if has_port { authority.to_owned() } else { format!("{authority}:80") };
    let mut addresses = with_port.to_socket_addrs().map_err(|error| bad(&error.to_string()))?;
    let address = addresses.next().ok_or_else(|| bad("no such host"))?;
    Ok((authority.to_owned(), address))
}

fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit_s = match &text[digits.len()..] {
        "ms" => 0.001,
        "s" | "" => 1.0,
        "m" => 60.0,
        "h" => 3_600.0,
        _ => return Err("the unit is one of ms, s, m, h".into()),
    };
    let number: f64 =
        digits.parse().map_err(|_| "expected is a number with a unit, such as 500ms or 10s".to_owned())?;
    Duration::try_from_secs_f64(number * unit_s).map_err(|error| error.to_string())
}

fn number_that(text: &str, holds: impl Fn(f64) -> bool, expected: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|number: &f64| number.is_finite() && holds(*number));
    number.ok_or_else(|| format!("expected is a number {expected}"))
}

fn positive(text: &str) -> Result<f64, String> {
    number_that(text, |number| number > 0.0, "above 0")
}

fn not_negative(text: &str) -> Result<f64, String> {
    number_that(text, |number| number >= 0.0, "of 0 or more")
}

fn above_one(text: &str) -> Result<f64, String> {
    number_that(text, |number| number > 1.0, "above 1")
}

fn share(text: &str) -> Result<f64, String> {
    number_that(text, |number| (0.0..=1.0).contains(&number), "from 0 to 1")
}

fn at_least_one(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|number| *number > 0).ok_or_else(|| "expected is a whole number above 0".into())
}

fn point(text: &str) -> Result<(f64, f64), String> {
    let numbers =
        text.split_once(',').and_then(|(x, y)| Some((x.trim().parse().ok()?, y.trim().parse().ok()?)));
    numbers
        .filter(|(x, y): &(f64, f64)| x.is_finite() && y.is_finite())
        .ok_or_else(|| "expected are two numbers, as in 10,10".into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn durations() {
        let check = |text, expected: Option<u64>| {
            assert_eq!(duration(text).ok(), expected.map(Duration::from_millis), "{text}");
        };
        check("500ms", Some(500));
        check("10", Some(10_000));
        check("1.5s", Some(1_500));
        check("2m", Some(120_000));
        check("1h", Some(3_600_000));
        check("", None);
        check("s", None);
        check("-1s", None);
        check("1d", None);
    }

    #[test]
    fn urls() {
        let check = |url, expected: Option<(&str, &str)>| {
            let expected = expected.map(|(host, address)| (host.to_owned(), address.parse().unwrap()));
            assert_eq!(resolve(url).ok(), expected, "{url}");
        };
        check("http://127.0.0.1:8080", Some(("127.0.0.1:8080", "127.0.0.1:8080")));
        check("http://127.0.0.1:8080/", Some(("127.0.0.1:8080", "127.0.0.1:8080")));
        check("http://127.0.0.1", Some(("127.0.0.1", "127.0.0.1:80")));
        check("http://[::1]:9", Some(("[::1]:9", "[::1]:9")));
        check("https://127.0.0.1", None);
        check("http://127.0.0.1/ws", None);
        check("http://", None);
    }

    #[test]
    fn wrong_values_are_refused_with_what_is_allowed() {
        let check = |arguments: &[&str], expected: &str| {
            let error = Cli::try_parse_from([&["loadtest"], arguments].concat()).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        };
        check(&["rooms", "--rate=-1"], "above 0");
        check(&["rooms", "--jitter", "2"], "from 0 to 1");
        check(&["saturate", "--step", "1"], "above 1");
        check(&["hold", "--connections", "0"], "a whole number above 0");
        check(&["rooms", "--origin", "5"], "two numbers");
        check(&["rooms", "--", "--port", "1"], "--spawn");
        check(&["nothing"], "unrecognized subcommand");
    }

    #[test]
    fn a_payload_must_be_json() {
        let options = |payload| {
            let cli = Cli::parse_from(["loadtest", "rooms", "--payload", payload]);
            Options::new(&cli.scenario, None).map(drop)
        };
        assert_eq!(options(r#"{"x":{x},"n":{n},"pad":"{pad}"}"#), Ok(()));
        assert!(options("{x").is_err());
    }
}
