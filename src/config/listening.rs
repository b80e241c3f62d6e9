//! Where the server listens, for whoever knocks at its door from the same machine.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;

use clap::ArgMatches;

use super::dot_env::DotEnv;
use super::environment::Environment;
use super::settings::Values;
use super::{ConfigError, resolve_proxy_protocol, resolve_tls, values};
use crate::session::Network;

/// How a client on this machine reaches the server.
#[derive(Clone, Debug)]
pub struct Listening {
    /// Where it answers.
    pub address: SocketAddr,
    /// Whether by TLS.
    pub speaks_tls: bool,
    /// Of whom it expects a header of the PROXY protocol.
    pub demands_header_of: Vec<Network>,
}

impl Listening {
    /// As these flags, the environment, `.env` and the defaults have it, without looking at any other setting.
    ///
    /// # Errors
    /// On a value that is not allowed, and where the port is any free one.
    pub fn load(flags: &ArgMatches) -> Result<Self, ConfigError> {
        let dot_env = DotEnv::read(Path::new(".env"))?;
        let environment = Environment::of_process();
        Self::resolve(&Values::collect(flags, |name| environment.get(name), &dot_env)?)
    }

    pub(super) fn resolve(values: &Values) -> Result<Self, ConfigError> {
        let port = values.parse("port", |text| match values::number(0..=u16::MAX)(text)? {
            0 => Err("which port the server has taken is not known; name it with --url".to_owned()),
            port => Ok(port),
        })?;
        let proxies = values.parse_optional("trusted-proxy", Network::parse_list)?.unwrap_or_default();
        Ok(Self {
            address: SocketAddr::new(from_here(values.parse("host", values::host)?), port),
            speaks_tls: resolve_tls(values)?.is_some(),
            demands_header_of: if resolve_proxy_protocol(values)? { proxies } else { Vec::new() },
        })
    }
}

/// The address at which this machine reaches whoever listens at another one, which may be all that it has.
fn from_here(host: IpAddr) -> IpAddr {
    match host {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Ipv6Addr::LOCALHOST.into(),
        host => host,
    }
}
