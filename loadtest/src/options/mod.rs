//! The command line: raw flags, parsed once into [`Options`] and a scenario that the rest can trust.

mod common;
mod scenarios;
mod values;

use crate::client::tls::{Tls, Trust};
use crate::load::plan::{Persistence, Returns};
use crate::messages::traffic::Traffic;
use crate::scenario::document_action;
pub(crate) use common::Common;
pub(crate) use scenarios::*;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;

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
    /// Whose certificates are believed.
    pub trust: Trust,
    /// The servers that have a name in a URL, or are spoken with by TLS.
    hosts: Vec<Host>,
    /// How these are spoken with.
    tls: Vec<Option<Tls>>,
}

/// A server as a URL names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Host {
    pub address: SocketAddr,
    /// `HOST[:PORT]`
    pub authority: String,
    /// Whether it speaks TLS.
    pub is_secure: bool,
}

impl Options {
    /// From the command line; `hosts` are the servers that are tested, and `certificate` that of the one which was started here.
    pub(crate) fn new(
        scenario: &Scenario,
        hosts: Vec<Host>,
        certificate: Option<PathBuf>,
    ) -> Result<Self, String> {
        let common = scenario.common();
        let trust = trust(common, &hosts, certificate)?;
        let tls = |host: &Host| host.is_secure.then(|| Tls::new(&trust, &host.authority)).transpose();
        let tls = hosts
            .iter()
            .map(tls)
            .collect::<Result<_, _>>()
            .map_err(|error: std::io::Error| error.to_string())?;
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
        let documents = match scenario {
            Scenario::Documents(args) => Some(args),
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
                document_action: documents.map(|args| document_action(args.work).to_owned()),
                document_bytes: documents.map_or(0, |args| args.value_bytes),
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
            trust,
            hosts,
            tls,
        })
    }

    /// The `Host` header for a target.
    pub(crate) fn host(&self, target: SocketAddr) -> String {
        let named = self.hosts.iter().find(|host| host.address == target);
        named.map_or_else(|| target.to_string(), |host| host.authority.clone())
    }

    /// How a target is spoken with, if it is by TLS.
    pub(crate) fn tls(&self, target: SocketAddr) -> Option<&Tls> {
        let index = self.hosts.iter().position(|host| host.address == target)?;
        self.tls[index].as_ref()
    }

    #[cfg(test)]
    pub(crate) fn for_test() -> Self {
        Self::new(&scenario_for_test(&["rooms"]), Vec::new(), None).unwrap()
    }
}

/// So many that a server which limits the connections of an address lets all players in.
fn source_addresses(args: &Hostile) -> usize {
    const CONNECTIONS_PER_ADDRESS: usize = 200;
    (args.rooms * args.players).div_ceil(CONNECTIONS_PER_ADDRESS)
}

fn trust(common: &Common, hosts: &[Host], certificate: Option<PathBuf>) -> Result<Trust, String> {
    if (common.insecure || common.ca.is_some()) && !hosts.iter().any(|host| host.is_secure) {
        return Err("--ca and --insecure are for TLS: expected is https://, or --tls with --spawn".into());
    }
    Ok(match common.ca.clone().or(certificate) {
        _ if common.insecure => Trust::All,
        Some(file) => Trust::File(file),
        None => Trust::System,
    })
}

/// The server that a URL stands for.
pub(crate) fn resolve(url: &str) -> Result<Host, String> {
    let bad = |reason: &str| format!("--url {url}: {reason}; expected is http://HOST[:PORT] or https://…");
    let schemes = [("http://", 80), ("ws://", 80), ("https://", 443), ("wss://", 443)];
    let known = schemes.iter().find_map(|(scheme, port)| Some((url.strip_prefix(scheme)?, *port)));
    let (rest, port) = known.ok_or_else(|| bad("neither http nor https"))?;
    let authority = rest.strip_suffix('/').unwrap_or(rest);
    if authority.is_empty() || authority.contains(['/', '?', '#', '@']) {
        return Err(bad("more or less than a host"));
    }
    let has_port = authority.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    let with_port = if has_port { authority.to_owned() } else { format!("{authority}:{port}") };
    let mut addresses = with_port.to_socket_addrs().map_err(|error| bad(&error.to_string()))?;
    let address = addresses.next().ok_or_else(|| bad("no such host"))?;
    Ok(Host { address, authority: authority.to_owned(), is_secure: port == 443 })
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
        let check = |url: &str, expected: Option<(&str, &str)>| {
            let expected = expected.map(|(host, address)| Host {
                address: address.parse().unwrap(),
                authority: host.to_owned(),
                is_secure: url.starts_with("https") || url.starts_with("wss"),
            });
            assert_eq!(resolve(url).ok(), expected, "{url}");
        };
        check("http://127.0.0.1:8080", Some(("127.0.0.1:8080", "127.0.0.1:8080")));
        check("http://127.0.0.1:8080/", Some(("127.0.0.1:8080", "127.0.0.1:8080")));
        check("http://127.0.0.1", Some(("127.0.0.1", "127.0.0.1:80")));
        check("http://[::1]:9", Some(("[::1]:9", "[::1]:9")));
        check("https://127.0.0.1", Some(("127.0.0.1", "127.0.0.1:443")));
        check("wss://127.0.0.1:8443/", Some(("127.0.0.1:8443", "127.0.0.1:8443")));
        check("ws://127.0.0.1", Some(("127.0.0.1", "127.0.0.1:80")));
        check("ftp://127.0.0.1", None);
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
    fn whom_to_believe_is_said_for_tls_alone() {
        let options = |flags: &[&str], url: &str| {
            let scenario = scenario_for_test(&[&["rooms"], flags].concat());
            Options::new(&scenario, vec![resolve(url).unwrap()], None)
        };
        let (plain, secure) = ("http://127.0.0.1:1", "https://127.0.0.1:1");
        assert!(options(&["--insecure"], plain).unwrap_err().contains("https://"));
        assert!(options(&["--ca", "ca.pem"], plain).unwrap_err().contains("https://"));
        let believed = options(&["--insecure"], secure).unwrap();
        assert_eq!(believed.trust, Trust::All);
        assert!(believed.tls("127.0.0.1:1".parse().unwrap()).is_some());
        assert!(options(&[], plain).unwrap().tls("127.0.0.1:1".parse().unwrap()).is_none());
        assert!(options(&["--ca", "/nowhere.pem"], secure).unwrap_err().contains("/nowhere.pem"));
    }

    #[test]
    fn a_payload_must_be_json() {
        let options = |payload| {
            let scenario = scenario_for_test(&["rooms", "--payload", payload]);
            Options::new(&scenario, Vec::new(), None).map(drop)
        };
        assert_eq!(options(r#"{"x":{x},"n":{n},"pad":"{pad}"}"#), Ok(()));
        assert!(options("{x").is_err());
    }
}
