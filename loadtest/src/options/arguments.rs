//! The raw flags, as clap reads them.

use super::values::*;
use clap::{Args, Parser, Subcommand};
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
    #[arg(long, default_value_t = 500, value_parser = at_least_one)]
    pub logins: usize,
    /// Connections that log in at the same time (default: one for each login)
    #[arg(long, value_parser = at_least_one)]
    pub logins_at_once: Option<usize>,
    /// Longest time until a login is answered, by a token or by 503
    #[arg(long, default_value = "10s", value_parser = duration)]
    pub login_timeout: Duration,
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
    #[arg(long, default_value_t = 5, value_parser = at_least_one)]
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
    /// What each of them leaves unread at least, in MiB: more than the kernel and the server keep for one connection
    #[arg(long, default_value_t = 8.0, value_parser = not_negative)]
    pub unread: f64,
    /// How long they do not read at least: longer than the server waits for somebody who takes nothing
    #[arg(long, default_value = "15s", value_parser = duration)]
    pub stall: Duration,
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
    /// Servers to test together with that one: rooms are dealt out to all of them, each worker plays on one
    #[arg(long, value_name = "URL", help_heading = "Server")]
    pub also_url: Vec<String>,
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
    #[arg(
        long,
        value_name = "PREFIX,…",
        value_delimiter = ',',
        default_value = "engine,state,lua",
        help_heading = "Server"
    )]
    pub engine_threads: Vec<String>,

    /// Worker threads in each process
    #[arg(long, default_value_t = 1, value_parser = at_least_one, help_heading = "Tester")]
    pub threads: usize,
    /// Processes to spread the clients over
    #[arg(long, default_value_t = 1, value_parser = at_least_one, help_heading = "Tester")]
    pub processes: usize,
    /// First core for the tester itself
    #[arg(long, value_name = "CORE", help_heading = "Tester")]
    pub pin_core: Option<usize>,
    /// Loopback addresses to connect from, in turn (default: one for each 10,000 connections)
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
    /// The action of the inputs: the script that they run (default: move_player, for slow: set)
    #[arg(long, visible_alias = "script", help_heading = "Traffic")]
    pub action: Option<String>,
    /// Their payload as JSON, with {x} {y} {n} {pad} for a place, a number and the padding
    #[arg(long, value_name = "JSON", help_heading = "Traffic")]
    pub payload: Option<String>,
    /// Bytes of padding in each payload (default: 0, for slow: 2000)
    #[arg(long, help_heading = "Traffic")]
    pub payload_bytes: Option<usize>,
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
