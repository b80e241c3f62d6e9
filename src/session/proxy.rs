//! Whose request it is when a proxy stands in between.

use std::net::{IpAddr, SocketAddr};

use crate::wire::http::Request;

/// A network: an address and how many of its leading bits count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

impl Network {
    /// Parses a list with commas between its networks.
    ///
    /// # Errors
    /// Says what is expected.
    pub fn parse_list(text: &str) -> Result<Vec<Self>, String> {
        let expected = "expected addresses or networks such as 10.0.0.0/8 or ::1, with commas between them";
        text.split(',').map(|one| Self::parse(one.trim()).ok_or_else(|| expected.to_owned())).collect()
    }

    /// Parses `192.0.2.0/24`, `2001:db8::/32` or a single address.
    pub fn parse(text: &str) -> Option<Self> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().ok()?;
        let bits = if address.is_ipv4() { 32 } else { 128 };
        let is_plain = |text: &&str| text.bytes().all(|byte| byte.is_ascii_digit());
        let prefix = match prefix {
            Some(prefix) => Some(prefix).filter(is_plain)?.parse().ok().filter(|prefix| *prefix <= bits)?,
            None => bits,
        };
        Some(Self { address, prefix })
    }

    /// Whether an address is in it; an IPv4 address written as IPv6 counts as what it is.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                let shift = 32 - u32::from(self.prefix);
                (u32::from(network) ^ u32::from(address)).checked_shr(shift).unwrap_or(0) == 0
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                let shift = 128 - u32::from(self.prefix);
                (u128::from(network) ^ u128::from(address)).checked_shr(shift).unwrap_or(0) == 0
            }
            _ => false,
        }
    }
}

/// The client's address: the peer's, unless that is a trusted proxy. Then it is the last address of the
/// `X-Forwarded-For` headers that is not a trusted proxy's: each proxy appends whom it serves, so whatever stands
/// before that may be made up.
pub(super) fn client_address(peer: IpAddr, request: &Request, trusted: &[Network]) -> IpAddr {
    let is_trusted = |address: IpAddr| trusted.iter().any(|network| network.contains(address));
    let mut client = peer;
    let mut hops: Vec<&[u8]> = Vec::new();
    if is_trusted(peer) {
        hops.extend(request.header_list("x-forwarded-for"));
    }
    while is_trusted(client) {
        match hops.pop().and_then(parse_hop) {
            Some(hop) => client = hop,
            None => break,
        }
    }
    client.to_canonical()
}

/// An address, which some proxies write with its port, or an IPv6 one in brackets.
fn parse_hop(hop: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(hop).ok()?;
    let in_brackets = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let address = in_brackets.unwrap_or(text).parse().ok();
    address.or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::http::Method;

    #[test]
    fn networks() {
        let check = |network: &str, address: &str, expected: bool| {
            let network = Network::parse(network).expect(network);
            assert_eq!(network.contains(address.parse().unwrap()), expected, "{network:?} {address}");
        };
        check("192.0.2.0/24", "192.0.2.255", true);
        check("192.0.2.0/24", "192.0.3.0", false);
        check("192.0.2.77/24", "192.0.2.1", true);
        check("192.0.2.1", "192.0.2.1", true);
        check("192.0.2.1", "192.0.2.2", false);
        check("0.0.0.0/0", "255.1.1.1", true);
        check("0.0.0.0/0", "::1", false);
        check("192.0.2.0/24", "::ffff:192.0.2.3", true);
        check("2001:db8::/32", "2001:db8:ffff::1", true);
        check("2001:db8::/32", "2001:db9::1", false);
        check("::/0", "::1", true);
        for text in
            ["", "x", "192.0.2.0/33", "::/129", "192.0.2.0/", "192.0.2.0/+8", "192.0.2/24", "1.2.3.4/8/8"]
        {
            assert_eq!(Network::parse(text), None, "{text}");
        }
    }

    #[test]
    fn only_a_trusted_proxy_is_believed() {
        let trusted = ["10.0.0.0/8", "::1"].map(|text| Network::parse(text).unwrap());
        let check = |peer: &str, lines: &[&str], expected: &str| {
            let header = |value: &&str| ("x-forwarded-for".into(), value.as_bytes().into());
            let request = Request {
                method: Method::Post,
                target: "/".into(),
                path: "/".into(),
                query: "".into(),
                version_minor: 1,
                headers: lines.iter().map(header).collect(),
                body: Vec::new(),
                keep_alive: true,
            };
            let client = client_address(peer.parse().unwrap(), &request, &trusted);
            assert_eq!(client, expected.parse::<IpAddr>().unwrap(), "{peer} {lines:?}");
        };
        check("192.0.2.1", &["198.51.100.7"], "192.0.2.1");
        check("10.0.0.1", &["198.51.100.7"], "198.51.100.7");
        check("::ffff:10.0.0.1", &["198.51.100.7"], "198.51.100.7");
        check("::1", &["2001:db8::5"], "2001:db8::5");
        check("::1", &["[2001:db8::5]"], "2001:db8::5");
        check("::1", &["[2001:db8::5]:4711"], "2001:db8::5");
        check("10.0.0.1", &["1.1.1.1, 198.51.100.7"], "198.51.100.7");
        check("10.0.0.1", &["1.1.1.1", "198.51.100.7, 10.0.0.2"], "198.51.100.7");
        check("10.0.0.1", &["198.51.100.7:4711"], "198.51.100.7");
        check("10.0.0.1", &["unknown"], "10.0.0.1");
        check("10.0.0.1", &["198.51.100.7, nonsense"], "10.0.0.1");
        check("10.0.0.1", &[], "10.0.0.1");
        check("10.0.0.1", &["10.0.0.3, 10.0.0.2"], "10.0.0.3");
    }
}
