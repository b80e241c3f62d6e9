//! The command line: raw flags, parsed once into [`Options`] and a scenario that the rest can trust.

mod common;
mod scenarios;
mod values;

use crate::load::plan::{Persistence, Returns};
use crate::messages::traffic::Traffic;
pub(crate) use common::Common;
pub(crate) use scenarios::*;
use std::net::{SocketAddr, ToSocketAddrs};

/// What the workers and the set-up need to know.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    /// Worker threads in each process.
    pub threads: usize,
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
    /// By which server they come back.
    pub returns: Returns,
    /// The server is restarted meanwhile.
    pub restarts: bool,
    /// How clients go on that never give up.
    pub persistence: Option<Persistence>,
    /// Some events are not for all: numbers rise, and may jump.
    pub addressed_events: bool,
    pub compress: bool,
    /// Logins before the run come from many addresses.
    pub spreads_logins: bool,
    /// Receive buffer of slow clients.
    pub slow_receive_buffer_bytes: Option<usize>,
    /// The names in the URLs; none for a server that was started here.
    hosts: Vec<(SocketAddr, String)>,
}

impl Options {
    /// From the command line; `hosts` are the authorities of the URLs that are tested.
    pub(crate) fn new(scenario: &Scenario, hosts: Vec<(SocketAddr, String)>) -> Result<Self, String> {
        let common = scenario.common();
        if let Some(payload) = &common.payload {
            let sample =
                payload.replace("{x}", "1").replace("{y}", "1").replace("{n}", "1").replace("{fail}", "true");
            serde_json::from_str::<serde_json::Value>(&sample).map_err(|error| {
                format!("--payload: not JSON once {{x}}, {{y}} and {{n}} are numbers: {error}")
            })?;
        }
        // Who does not read is noticed once much is unread, and moves are too small for that.
        let (slow_receive_buffer, action, padding_bytes) = match scenario {
            Scenario::Slow(slow) => (slow.slow_receive_buffer, "set", 2_000),
            Scenario::Endure(args) => (args.slow_receive_buffer, "endure", 0),
            _ => (0, "move_player", 0),
        };
        let (returns, restarts) = match scenario {
            Scenario::StormReconnect(args) if args.elsewhere => (Returns::Next, false),
            Scenario::StormReconnect(args) => (Returns::Same, args.restart),
            Scenario::Endure(_) => (Returns::Any, false),
            _ => (Returns::Same, false),
        };
        let endure = match scenario {
            Scenario::Endure(args) => Some(args),
            _ => None,
        };
        let hostile = match scenario {
            Scenario::Hostile(args) => Some(args),
            _ => None,
        };
        Ok(Self {
            threads: common.threads,
            processes: common.processes,
            pin_core: common.pin_core,
            source_addresses: common.source_addresses.or(hostile.map(source_addresses)),
            seed: common.seed,
            traffic: Traffic {
                action: common.action.clone().unwrap_or_else(|| action.into()),
                payload: common.payload.clone(),
                padding_bytes: common.payload_bytes.unwrap_or(padding_bytes),
                fail_every: endure.map_or(0, |args| args.fail_every),
                origin: common.origin,
            },
            jitter: common.jitter,
            resume: common.resume || endure.is_some(),
            returns,
            restarts,
            persistence: endure.map(|args| Persistence {
                heartbeat_ms: args.heartbeat.as_millis() as u64,
                silence_ms: args.silence.as_millis() as u64,
            }),
            addressed_events: common.addressed_events,
            compress: common.compress,
            spreads_logins: hostile.is_some(),
            slow_receive_buffer_bytes: (slow_receive_buffer > 0).then_some(slow_receive_buffer),
            hosts,
        })
    }

    /// The `Host` header for a target.
    pub(crate) fn host(&self, target: SocketAddr) -> String {
        let named = self.hosts.iter().find(|(address, _)| *address == target);
        named.map_or_else(|| target.to_string(), |(_, host)| host.clone())
    }

    #[cfg(test)]
    pub(crate) fn for_test() -> Self {
        Self::new(&scenario_for_test(&["rooms"]), Vec::new()).unwrap()
    }
}

/// So many that a server which limits the connections of an address lets all players in.
fn source_addresses(args: &Hostile) -> usize {
    const CONNECTIONS_PER_ADDRESS: usize = 200;
    (args.rooms * args.players).div_ceil(CONNECTIONS_PER_ADDRESS)
}

/// The address that a URL stands for, and its authority.
pub(crate) fn resolve(url: &str) -> Result<(SocketAddr, String), String> {
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
    Ok((address, authority.to_owned()))
}

#[cfg(test)]
fn scenario_for_test(arguments: &[&str]) -> Scenario {
    let cli = <Cli as clap::Parser>::parse_from([&["loadtest"], arguments].concat());
    match cli.command {
        Command::Test(scenario) => *scenario,
        Command::Report(_) => panic!("no scenario: {arguments:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::values::duration;
    use super::*;
    use clap::{CommandFactory, Parser};
    use std::time::Duration;

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
            let expected = expected.map(|(host, address)| (address.parse().unwrap(), host.to_owned()));
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
            let scenario = scenario_for_test(&["rooms", "--payload", payload]);
            Options::new(&scenario, Vec::new()).map(drop)
        };
        assert_eq!(options(r#"{"x":{x},"n":{n},"pad":"{pad}"}"#), Ok(()));
        assert!(options("{x").is_err());
    }
}
