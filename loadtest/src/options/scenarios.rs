//! The raw flags of each scenario, as clap reads them.

use super::common::Common;
use super::values::*;
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;
use std::time::Duration;

/// Load tester for a Godra server: open-loop scenarios whose every delivery is checked.
///
/// Exit code 0: all went well. 1: the server broke a promise. 2: the test itself could not be done.
#[derive(Parser, Debug)]
#[command(version, max_term_width = 110)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// Test a server, or the machine.
    #[command(flatten)]
    Test(Box<Scenario>),
    /// Show the kept results of a run: as text, or as a page with plots
    Report(Kept),
}

#[derive(Args, Debug)]
pub(crate) struct Kept {
    /// What a run has written by --json
    #[arg(value_name = "FILE")]
    pub json: PathBuf,
    /// Write a page with plots, instead of text on the standard output
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
}

/// What is tested, with the flags that are special to each.
#[derive(Subcommand, Debug)]
pub(crate) enum Scenario {
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
    StormReconnect(Reconnect),
    /// Very many log in with passwords while some play
    StormLogin(StormLogin),
    /// As many TLS handshakes as the server makes, full and resumed, while some play
    Handshakes(Handshakes),
    /// A share of the players never reads
    Slow(Slow),
    /// Clients that come back whatever happens to servers and store, with inputs that run exactly once
    Endure(Endure),
    /// Very many attacks at once from one address, beside those who play
    Hostile(Hostile),
    /// As in life: moves at 20 Hz, chat, people who come and go
    Mixed(Mixed),
    /// Timers of rooms: how late they are, what each costs, and what the players feel
    Timers(Timers),
    /// Documents: saves that are answered once they are in the database, or loads, and what the others feel
    Documents(Documents),
    /// Cost for each event against the number of connections
    Sweep(Sweep),
    /// What the machine itself costs: send, recv, accept and upgrade, memory of a socket
    Floor(FloorOnly),
}

impl Scenario {
    /// Its name on the command line.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Hold(_) => "hold",
            Self::Rooms(_) => "rooms",
            Self::BigRoom(_) => "big-room",
            Self::Saturate(_) => "saturate",
            Self::StormConnect(_) => "storm-connect",
            Self::StormReconnect(_) => "storm-reconnect",
            Self::StormLogin(_) => "storm-login",
            Self::Handshakes(_) => "handshakes",
            Self::Slow(_) => "slow",
            Self::Endure(_) => "endure",
            Self::Hostile(_) => "hostile",
            Self::Mixed(_) => "mixed",
            Self::Timers(_) => "timers",
            Self::Documents(_) => "documents",
            Self::Sweep(_) => "sweep",
            Self::Floor(_) => "floor",
        }
    }

    /// The flags that all scenarios share.
    pub(crate) fn common(&self) -> &Common {
        match self {
            Self::Hold(args) => &args.common,
            Self::Rooms(args) => &args.common,
            Self::BigRoom(args) => &args.common,
            Self::Saturate(args) => &args.common,
            Self::StormConnect(args) => &args.common,
            Self::StormReconnect(args) => &args.storm.common,
            Self::StormLogin(args) => &args.common,
            Self::Handshakes(args) => &args.common,
            Self::Slow(args) => &args.common,
            Self::Endure(args) => &args.common,
            Self::Hostile(args) => &args.common,
            Self::Mixed(args) => &args.common,
            Self::Timers(args) => &args.common,
            Self::Documents(args) => &args.common,
            Self::Sweep(args) => &args.common,
            Self::Floor(args) => &args.common,
        }
    }
}

#[derive(Args, Debug)]
pub(crate) struct Hold {
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

#[derive(Args, Debug)]
pub(crate) struct Rooms {
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

#[derive(Args, Debug)]
pub(crate) struct BigRoom {
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

#[derive(Args, Debug)]
pub(crate) struct Saturate {
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
pub(crate) struct Playing {
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

#[derive(Args, Debug)]
pub(crate) struct Storm {
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

#[derive(Args, Debug)]
pub(crate) struct Reconnect {
    /// Members of each of these rooms who stay and play on, so that those who are cut off miss something
    #[arg(long, default_value_t = 0)]
    pub stay: usize,
    /// How long those who are cut off are away
    #[arg(long, default_value = "0s", value_parser = duration)]
    pub away: Duration,
    /// All come back by another server than the one where they were: the next of --url and --also-url
    #[arg(long, requires = "also_url", conflicts_with = "restart")]
    pub elsewhere: bool,
    /// The started server is stopped and started again, with its state in a file, and all come back when it listens
    #[arg(long, requires = "spawn")]
    pub restart: bool,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub storm: Storm,
}

#[derive(Args, Debug)]
pub(crate) struct StormLogin {
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

#[derive(Args, Debug)]
pub(crate) struct Handshakes {
    /// Handshakes at the same time
    #[arg(long, default_value_t = 8, value_parser = at_least_one)]
    pub at_once: usize,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub playing: Playing,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub common: Common,
}

#[derive(Args, Debug)]
pub(crate) struct Slow {
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
    /// How long they do not read after that: longer than the server waits for somebody who takes nothing
    #[arg(long, default_value = "35s", value_parser = duration)]
    pub stall: Duration,
    /// Longest time that they have to be closed after they read again
    #[arg(long, default_value = "10s", value_parser = duration)]
    pub patience: Duration,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub common: Common,
}

#[derive(Args, Debug)]
pub(crate) struct Endure {
    /// Rooms
    #[arg(long, default_value_t = 8, value_parser = at_least_one)]
    pub rooms: usize,
    /// Players in each room
    #[arg(long, default_value_t = 6, value_parser = at_least_one)]
    pub players: usize,
    /// Inputs a second of each player
    #[arg(long, default_value_t = 5.0, value_parser = positive)]
    pub rate: f64,
    /// Each input whose number this divides fails in the middle of its script (0: none)
    #[arg(long, default_value_t = 7)]
    pub fail_every: u32,
    /// The script that tells which inputs have run, for the reckoning at the end
    #[arg(long, default_value = "endure_ran")]
    pub audit_script: String,
    /// Share of the players that now and then does not read
    #[arg(long, default_value_t = 0.2, value_parser = share)]
    pub slow: f64,
    /// Receive buffer of those, in bytes (0: the system's choice)
    #[arg(long, default_value_t = 4_096)]
    pub slow_receive_buffer: usize,
    /// How long they do not read, and then how long they do
    #[arg(long, default_value = "3s", value_parser = duration)]
    pub stall: Duration,
    /// Nothing is done to the clients for this long at first, but that some do not read
    #[arg(long, default_value = "5s", value_parser = duration)]
    pub calm: Duration,
    /// The 99th percentile of those who read must stay within this in the calm
    #[arg(long, default_value_t = 1_000.0, value_parser = positive)]
    pub calm_p99_ms: f64,
    /// Share of the players that every second loses its connection, or closes it
    #[arg(long, default_value_t = 0.05, value_parser = not_negative)]
    pub churn: f64,
    /// How long each of them stays away
    #[arg(long, default_value = "300ms", value_parser = duration)]
    pub away: Duration,
    /// Time between two heartbeats of a client
    #[arg(long, default_value = "1s", value_parser = duration)]
    pub heartbeat: Duration,
    /// A connection on which a heartbeat or the welcome is not answered for this long is given up
    #[arg(long, default_value = "3s", value_parser = duration)]
    pub silence: Duration,
    /// Longest time until all are back and all inputs are answered, once the trouble is over
    #[arg(long, default_value = "30s", value_parser = duration)]
    pub settle: Duration,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub common: Common,
}

#[derive(Args, Debug)]
pub(crate) struct Hostile {
    /// Rooms
    #[arg(long, default_value_t = 20, value_parser = at_least_one)]
    pub rooms: usize,
    /// Players in each room
    #[arg(long, default_value_t = 50, value_parser = at_least_one)]
    pub players: usize,
    /// Inputs a second of each player
    #[arg(long, default_value_t = 10.0, value_parser = positive)]
    pub rate: f64,
    /// Connections that attack, from one address
    #[arg(long, default_value_t = 250, value_parser = at_least_one)]
    pub attackers: usize,
    /// Connections beyond those, for the attack that wants more than an address may have
    #[arg(long, default_value_t = 64)]
    pub crowd: usize,
    /// Only these attacks (default: all)
    #[arg(long, value_name = "NAME,…", value_delimiter = ',')]
    pub attacks: Vec<String>,
    /// The players' 99th percentile may be this many times what it is in quiet
    #[arg(long, default_value_t = 1.3, value_parser = positive)]
    pub worst_ratio: f64,
    /// By how many MiB the server's memory may grow meanwhile
    #[arg(long, default_value_t = 300.0, value_parser = positive)]
    pub memory_growth: f64,
    /// By how many MiB it may have grown when they have been gone for a while
    #[arg(long, default_value_t = 32.0, value_parser = positive)]
    pub memory_left: f64,
    /// Longest time until then
    #[arg(long, default_value = "60s", value_parser = duration)]
    pub recovery: Duration,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub common: Common,
}

#[derive(Args, Debug)]
pub(crate) struct Mixed {
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

#[derive(Args, Debug)]
pub(crate) struct Timers {
    /// Rooms
    #[arg(long, default_value_t = 1_000, value_parser = at_least_one)]
    pub rooms: usize,
    /// Players in each room
    #[arg(long, default_value_t = 1, value_parser = at_least_one)]
    pub players: usize,
    /// Inputs a second of each player
    #[arg(long, default_value_t = 1.0, value_parser = positive)]
    pub rate: f64,
    /// Timers of all rooms together; each rings once a second, and is set again
    #[arg(long, default_value_t = 10_000, value_parser = at_least_one)]
    pub timers: usize,
    /// More timers, which are pending meanwhile, and due tomorrow
    #[arg(long, default_value_t = 0)]
    pub pending: usize,
    /// Longest time until all have rung, once the measured time is over
    #[arg(long, default_value = "60s", value_parser = duration)]
    pub patience: Duration,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub common: Common,
}

#[derive(Args, Debug)]
pub(crate) struct Documents {
    /// Rooms of players who have nothing to do with documents
    #[arg(long, default_value_t = 0)]
    pub rooms: usize,
    /// Players in each of these rooms
    #[arg(long, default_value_t = 50, value_parser = at_least_one)]
    pub players: usize,
    /// Inputs a second of each of these players
    #[arg(long, default_value_t = 10.0, value_parser = positive)]
    pub rate: f64,
    /// Players who work on a document of their own, each in a room of its own
    #[arg(long, default_value_t = 300, value_parser = at_least_one)]
    pub savers: usize,
    /// Inputs a second of each of these
    #[arg(long, default_value_t = 10.0, value_parser = positive)]
    pub document_rate: f64,
    /// What these do
    #[arg(long, value_enum, default_value_t = DocumentWork::Save)]
    pub work: DocumentWork,
    /// Bytes of text in a document that is saved
    #[arg(long, default_value_t = 200)]
    pub value_bytes: usize,
    /// Longest time until all are answered, once the measured time is over
    #[arg(long, default_value = "30s", value_parser = duration)]
    pub patience: Duration,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub common: Common,
}

/// What is done with documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum DocumentWork {
    /// Load, change and save it; the answer waits until that is in the database
    Save,
    /// Load it
    Load,
}

#[derive(Args, Debug)]
pub(crate) struct Sweep {
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

#[derive(Args, Debug)]
pub(crate) struct FloorOnly {
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
