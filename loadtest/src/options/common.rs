//! The raw flags that all scenarios share, as clap reads them.

use super::values::*;
use clap::Args;
use std::path::PathBuf;
use std::time::Duration;

/// Flags that every scenario takes.
#[derive(Args, Debug, Clone)]
pub(crate) struct Common {
    /// The server under test: http://, https://, ws:// or wss://
    #[arg(long, default_value = "http://127.0.0.1:8080", help_heading = "Server")]
    pub url: String,
    /// Servers to test together with that one: rooms are dealt out to all of them, each worker plays on one
    #[arg(long, value_name = "URL", help_heading = "Server")]
    pub also_url: Vec<String>,
    /// Start this server (its flags after --) on a free port, observe it, and stop it at the end
    #[arg(long, value_name = "PROGRAM", help_heading = "Server", conflicts_with = "server_pid")]
    pub spawn: Option<PathBuf>,
    /// Speak TLS with the started server, by a certificate made for it (with --ca or --insecure: by that of its own flags)
    #[arg(long, requires = "spawn", help_heading = "Server")]
    pub tls: bool,
    /// Believe these certificates, or those of their authorities, as PEM (default: the system's authorities)
    #[arg(long, value_name = "FILE", conflicts_with = "insecure", help_heading = "Server")]
    pub ca: Option<PathBuf>,
    /// Believe any certificate
    #[arg(long, help_heading = "Server")]
    pub insecure: bool,
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
    /// Their payload as JSON, with {x} {y} {n} {fail} {pad} for a place, a number, whether it fails, and the padding
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
    /// Some events of the scripts are for some members alone: what others see of the numbers may jump
    #[arg(long, help_heading = "Traffic")]
    pub addressed_events: bool,
    /// Offer compression of frames, as browsers do (permessage-deflate)
    #[arg(long, help_heading = "Traffic")]
    pub compress: bool,
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
