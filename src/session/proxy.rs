//! Whose request it is when a proxy stands in between.

use std::net::{IpAddr, SocketAddr};
use std::sync::Once;

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

/// Whose request it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Client {
    /// The client's own address, or the proxy's that it comes by where that is all that can be known.
    pub address: IpAddr,
    /// What the address is.
    pub origin: Origin,
}

/// How a client's address is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// It is this machine, and no trusted proxy.
    Local,
    /// The client has it, or a proxy that has named somebody in a way that cannot be read.
    Known,
    /// It is that of a trusted proxy which names nobody.
    Unsaid,
}

impl Client {
    /// Who is behind the peer: the peer itself, unless that is a trusted proxy. Then it is the last address in what the proxies
    /// say that is not a trusted proxy's: each appends whom it serves, so whatever stands before that may be made up.
    ///
    /// A hop that cannot be read, or that names the proxy's own machine, is no client: the request counts as the proxy's, which
    /// has bounds as well.
    pub(super) fn of(peer: IpAddr, request: &Request, trusted: &[Network]) -> Self {
        let is_trusted = |address: IpAddr| trusted.iter().any(|network| network.contains(address));
        let peer = peer.to_canonical();
        if !is_trusted(peer) {
            let origin = if peer.is_loopback() { Origin::Local } else { Origin::Known };
            if origin == Origin::Local && request.header("x-forwarded-for").is_some() {
                warn_of_unknown_proxy();
            }
            return Self { address: peer, origin };
        }
        let mut hops = hops(request);
        if hops.is_empty() {
            return Self { address: peer, origin: Origin::Unsaid };
        }
        let mut address = peer;
        while is_trusted(address)
            && let Some(hop) = hops.pop()
        {
            match parse_hop(hop).filter(|hop| is_trusted(*hop) || !hop.is_loopback()) {
                Some(hop) => address = hop,
                None => {
                    warn_of_unreadable_hop(address, hop);
                    break;
                }
            }
        }
        Self { address, origin: Origin::Known }
    }

    /// Whether limits that hold for strangers alone are not for it.
    pub fn is_local(&self) -> bool {
        self.origin == Origin::Local
    }
}

/// Whom the proxies serve, the last one last: by `X-Forwarded-For`, else `Forwarded` (RFC 7239), else `X-Real-IP`.
fn hops(request: &Request) -> Vec<&[u8]> {
    let mut hops: Vec<&[u8]> = request.header_list("x-forwarded-for").collect();
    if hops.is_empty() {
        hops.extend(request.header_list("forwarded").map(forwarded_for));
    }
    if hops.is_empty() {
        hops.extend(request.header_list("x-real-ip").last());
    }
    hops
}

/// The `for` of an element of a `Forwarded` header; empty if it has none.
fn forwarded_for(element: &[u8]) -> &[u8] {
    let mut pairs = element.split(|&byte| byte == b';').map(<[u8]>::trim_ascii);
    let value = pairs.find_map(|pair| {
        let end = pair.iter().position(|byte| *byte == b'=')?;
        // RFC 7239 has no blanks there; some proxies do.
        pair[..end].trim_ascii().eq_ignore_ascii_case(b"for").then(|| pair[end + 1..].trim_ascii())
    });
    value.unwrap_or_default()
}

/// An address, which some proxies write with its port, in quotes, or an IPv6 one in brackets.
fn parse_hop(hop: &[u8]) -> Option<IpAddr> {
    let in_quotes = hop.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\""));
    let text = std::str::from_utf8(in_quotes.unwrap_or(hop)).ok()?.trim();
    let in_brackets = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let address = in_brackets.unwrap_or(text).parse().ok();
    let address = address.or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()));
    address.map(|address| address.to_canonical())
}

/// Once, as every request says it again.
fn warn_of_unknown_proxy() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        log::warn!(
            "a proxy on this machine forwards requests and is not trusted: all players count as this machine, and no rate \
             holds for them; set --trusted-proxy 127.0.0.1,::1"
        );
    });
}

fn warn_of_unreadable_hop(proxy: IpAddr, hop: &[u8]) {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let hop = String::from_utf8_lossy(&hop[..hop.len().min(64)]);
        log::warn!(
            "a trusted proxy names no address of its client; all such requests count as one client's proxy={proxy} hop={hop:?}"
        );
    });
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

    /// The client behind a peer whose request has these headers; `local` and `unsaid` are told behind the address.
    fn client(peer: &str, headers: &[(&str, &str)]) -> String {
        let trusted = ["10.0.0.0/8", "::1"].map(|text| Network::parse(text).unwrap());
        let request = Request {
            method: Method::Post,
            target: "/".into(),
            path: "/".into(),
            query: "".into(),
            version_minor: 1,
            headers: headers.iter().map(|(name, value)| ((*name).into(), value.as_bytes().into())).collect(),
            body: Vec::new(),
            keep_alive: true,
        };
        let Client { address, origin } = Client::of(peer.parse().unwrap(), &request, &trusted);
        match origin {
            Origin::Known => address.to_string(),
            Origin::Local => format!("{address} local"),
            Origin::Unsaid => format!("{address} unsaid"),
        }
    }

    #[test]
    fn only_a_trusted_proxy_is_believed() {
        let check = |peer: &str, lines: &[&str], expected: &str| {
            let headers: Vec<_> = lines.iter().map(|line| ("x-forwarded-for", *line)).collect();
            assert_eq!(client(peer, &headers), expected, "{peer} {lines:?}");
        };
        check("192.0.2.1", &["198.51.100.7"], "192.0.2.1");
        check("10.0.0.1", &["198.51.100.7"], "198.51.100.7");
        check("::ffff:10.0.0.1", &["198.51.100.7"], "198.51.100.7");
        check("::1", &["2001:db8::5"], "2001:db8::5");
        check("::1", &["[2001:db8::5]"], "2001:db8::5");
        check("::1", &["[2001:db8::5]:4711"], "2001:db8::5");
        check("::1", &["\"[2001:db8::5]\""], "2001:db8::5");
        check("::1", &["\"[2001:db8::5]:4711\", \"10.0.0.2\""], "2001:db8::5");
        check("10.0.0.1", &["1.1.1.1, 198.51.100.7"], "198.51.100.7");
        check("10.0.0.1", &["1.1.1.1", "198.51.100.7, 10.0.0.2"], "198.51.100.7");
        check("10.0.0.1", &["198.51.100.7:4711"], "198.51.100.7");
        check("10.0.0.1", &["::ffff:198.51.100.7"], "198.51.100.7");
        check("10.0.0.1", &[], "10.0.0.1 unsaid");
        check("10.0.0.1", &["10.0.0.3, 10.0.0.2"], "10.0.0.3");
    }

    /// Nothing that a client can write makes it one to which no limit applies.
    #[test]
    fn a_hop_that_names_nobody_counts_as_the_proxy() {
        let check = |header: (&str, &str), expected: &str| {
            assert_eq!(client("10.0.0.1", &[header]), expected, "{header:?}");
        };
        check(("x-forwarded-for", "unknown"), "10.0.0.1");
        check(("x-forwarded-for", "198.51.100.7, nonsense"), "10.0.0.1");
        check(("x-forwarded-for", "198.51.100.7, nonsense, 10.0.0.2"), "10.0.0.2");
        check(("x-forwarded-for", "127.0.0.1"), "10.0.0.1");
        check(("x-forwarded-for", "\"127.0.0.1\""), "10.0.0.1");
        check(("x-forwarded-for", "\"198.51.100.7"), "10.0.0.1");
        check(("x-forwarded-for", "198.51.100.7, \""), "10.0.0.1");
        check(("x-forwarded-for", "::ffff:127.0.0.1"), "10.0.0.1");
        check(("forwarded", "for=_hidden"), "10.0.0.1");
        check(("forwarded", "proto=http"), "10.0.0.1");
        check(("x-real-ip", "me"), "10.0.0.1");
    }

    #[test]
    fn this_machine_is_local_unless_it_is_a_trusted_proxy() {
        assert_eq!(client("127.0.0.1", &[]), "127.0.0.1 local");
        assert_eq!(client("::ffff:127.0.0.1", &[]), "127.0.0.1 local");
        assert_eq!(client("127.0.0.1", &[("x-forwarded-for", "198.51.100.7")]), "127.0.0.1 local");
        assert_eq!(client("::1", &[]), "::1 unsaid");
        assert_eq!(client("::1", &[("x-forwarded-for", "x")]), "::1");
    }

    #[test]
    fn proxies_name_clients_in_other_ways() {
        let check = |headers: &[(&str, &str)], expected: &str| {
            assert_eq!(client("10.0.0.1", headers), expected, "{headers:?}");
            assert_eq!(client("192.0.2.1", headers), "192.0.2.1", "it is not trusted: {headers:?}");
        };
        check(&[("forwarded", "for=192.0.2.60;proto=http;by=203.0.113.43")], "192.0.2.60");
        check(&[("forwarded", "proto=https; For=\"[2001:db8:cafe::17]:4711\"")], "2001:db8:cafe::17");
        check(&[("forwarded", "for=1.1.1.1, for=192.0.2.60"), ("forwarded", "for=10.0.0.2")], "192.0.2.60");
        check(&[("forwarded", "proto=https; FOR = 192.0.2.60")], "192.0.2.60");
        check(&[("forwarded", "for =\"[2001:db8::17]\" ; by=x")], "2001:db8::17");
        check(&[("x-real-ip", "192.0.2.60")], "192.0.2.60");
        check(&[("x-real-ip", "1.1.1.1"), ("forwarded", "for=192.0.2.60")], "192.0.2.60");
        check(&[("forwarded", "for=1.1.1.1"), ("x-forwarded-for", "192.0.2.60")], "192.0.2.60");
    }
}
