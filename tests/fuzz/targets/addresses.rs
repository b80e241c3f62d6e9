//! Where requests come from: forwarded addresses, networks of proxies, origins.

use std::net::IpAddr;

use super::cors::{AllowedOrigins, allow_headers, is_same_origin};
use super::proxy::{Client, Network};
use crate::wire::http::{Method, Request};

/// Lines: the peer, the networks that are trusted, the origins that are allowed, one origin, the headers that its page wants to send;
/// the others are a proxy's: `f:` begins a `Forwarded`, `r:` an `X-Real-IP`, any other an `X-Forwarded-For`.
pub(crate) fn check(data: &[u8]) {
    let mut lines = data.split(|byte| *byte == b'\n');
    let mut text = || std::str::from_utf8(lines.next().unwrap_or_default()).unwrap_or_default();
    let (peer, networks, origins, origin, wanted) = (text(), text(), text(), text(), text());
    let mut request = Request {
        method: Method::Options,
        target: "/".into(),
        path: "/".into(),
        query: "".into(),
        version_minor: 1,
        headers: vec![
            ("host".into(), b"game.example".as_slice().into()),
            ("access-control-request-headers".into(), wanted.as_bytes().into()),
        ],
        body: Vec::new(),
        keep_alive: true,
    };
    check_origin(origins, origin, &request);
    request.headers.extend(lines.map(|line| match line {
        [b'f', b':', value @ ..] => ("forwarded".into(), value.into()),
        [b'r', b':', value @ ..] => ("x-real-ip".into(), value.into()),
        value => ("x-forwarded-for".into(), value.into()),
    }));
    check_client(peer, networks, &request);
}

fn check_origin(allowed: &str, origin: &str, request: &Request) {
    if let Ok(allowed) = AllowedOrigins::parse(allowed) {
        let granted = allowed.grant(Some(origin));
        assert_eq!(granted.is_some(), allowed.allow(origin));
        assert!(
            granted.is_none_or(|granted| granted == "*" || granted == origin),
            "{granted:?} to {origin:?}"
        );
        // It goes into a header as it is.
        let listed = granted.is_some_and(|granted| granted != "*");
        assert!(!listed || origin.bytes().all(|byte| byte.is_ascii_graphic()), "{origin:?} is granted");
    }
    let names_host = origin.to_ascii_lowercase().contains("game.example");
    assert!(names_host || !is_same_origin(origin, request), "{origin:?}");
    let headers = allow_headers(request);
    assert!(headers.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()), "{headers:?}");
}

fn check_client(peer: &str, networks: &str, request: &Request) {
    let networks = Network::parse_list(networks).unwrap_or_default();
    for network in &networks {
        for address in ["0.0.0.0", "255.255.255.255", "::", "ffff::1", "::ffff:10.0.0.1"] {
            _ = network.contains(address.parse().expect("an address"));
        }
    }
    let Ok(peer) = peer.parse::<IpAddr>() else { return };
    let client = Client::of(peer, request, &networks);
    let is_trusted = networks.iter().any(|network| network.contains(peer));
    let address = client.address;
    assert!(is_trusted || address == peer.to_canonical(), "{peer} is believed that it is {address}");
    assert_eq!(address, address.to_canonical());
    assert_eq!(client.is_local(), !is_trusted && address.is_loopback(), "{client:?}");
}
