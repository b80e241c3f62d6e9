use super::*;

/// What a header says, in whatever pieces it comes, and whatever comes behind it: every part of it is incomplete.
#[track_caller]
fn check(header: &[u8], client: Option<&str>) {
    let expected = Complete { length: header.len(), client: client.map(|text| text.parse().unwrap()) };
    for end in 0..header.len() {
        assert_eq!(ProxyHeader::parse(&header[..end]), Incomplete, "{end} of {header:?}");
    }
    for rest in [&b""[..], b"G", b"GET / HTTP/1.1\r\n\r\n", b"PROXY UNKNOWN\r\n", &[0x16; 5000]] {
        assert_eq!(ProxyHeader::parse(&[header, rest].concat()), expected, "{header:?}");
    }
}

/// It is known by the byte at `at`, and not before; nothing that follows changes that.
#[track_caller]
fn refuse(bytes: &[u8], at: usize, reason: &str) {
    for end in 0..bytes.len() {
        let found = ProxyHeader::parse(&bytes[..end]);
        let is_expected = match found {
            Incomplete => end <= at,
            Invalid(found) => end > at && found == reason,
            Complete { .. } => false,
        };
        assert!(is_expected, "{found:?} of {end} bytes of {:?}", String::from_utf8_lossy(bytes));
    }
    assert!(matches!(ProxyHeader::parse(bytes), Invalid(found) if found == reason), "{bytes:?}");
}

fn v2(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
    let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
    [V2_SIGNATURE, &[command, family], &length, rest].concat()
}

/// Source 198.51.100.7 (2001:db8::7), destination 10.0.0.1 (2001:db8::1).
const IPV4: &[u8] = &[198, 51, 100, 7, 10, 0, 0, 1, 0x12, 0x67, 0x1f, 0x90];

fn ipv6() -> Vec<u8> {
    let address = |text: &str| text.parse::<Ipv6Addr>().unwrap().octets();
    [&address("2001:db8::7")[..], &address("2001:db8::1"), &[0x12, 0x67, 0x1f, 0x90]].concat()
}

#[test]
fn version_1() {
    check(b"PROXY TCP4 198.51.100.7 10.0.0.1 4711 8080\r\n", Some("198.51.100.7"));
    check(b"PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n", Some("255.255.255.255"));
    check(b"PROXY TCP6 2001:db8::7 2001:db8::1 0 443\r\n", Some("2001:db8::7"));
    check(b"PROXY TCP6 [2001:db8::3] [2001:db8::1] 0 443\r\n", Some("2001:db8::3"));
    check(b"PROXY TCP6 [2001:db8::3] 2001:db8::1 0 443\r\n", Some("2001:db8::3"));
    check(b"PROXY TCP6 ::ffff:198.51.100.7 ::1 1 2\r\n", Some("198.51.100.7"));
    check(b"PROXY UNKNOWN\r\n", None);
    check(b"PROXY UNKNOWN ffff::1 ffff::2 65535 65535\r\n", None);
    let longest = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff";
    let line = format!("PROXY UNKNOWN {longest} {longest} 65535 65535\r\n");
    assert_eq!(line.len(), MAX_V1_BYTES);
    check(line.as_bytes(), None);
}

#[test]
fn version_1_is_strict() {
    for line in [
        "PROXY \r\n",
        "PROXY TCP4\r\n",
        "PROXY TCP4 198.51.100.7 10.0.0.1 4711\r\n",
        "PROXY TCP4 198.51.100.7 10.0.0.1 4711 8080 1\r\n",
        "PROXY TCP4  198.51.100.7 10.0.0.1 4711 8080\r\n",
        "PROXY TCP4 198.51.100.7 10.0.0.1 4711 8080 \r\n",
        "PROXY TCP4 198.51.100.7 10.0.0.1 4711 8080\n",
        "PROXY TCP4 198.51.100.07 10.0.0.1 4711 8080\r\n",
        "PROXY TCP4 198.51.100.7 10.0.0 4711 8080\r\n",
        "PROXY TCP4 198.51.100.7 10.0.0.1 65536 8080\r\n",
        "PROXY TCP4 198.51.100.7 10.0.0.1 4711 080\r\n",
        "PROXY TCP4 198.51.100.7 10.0.0.1 +4711 8080\r\n",
        "PROXY TCP4 2001:db8::7 2001:db8::1 1 2\r\n",
        "PROXY TCP6 198.51.100.7 10.0.0.1 1 2\r\n",
        "PROXY TCP6 fe80::7%eth0 2001:db8::1 1 2\r\n",
        "PROXY UDP4 198.51.100.7 10.0.0.1 1 2\r\n",
        "PROXY tcp4 198.51.100.7 10.0.0.1 1 2\r\n",
        "PROXY UNKNOWNS\r\n",
        "PROXY UNKNOWN\n",
    ] {
        refuse(line.as_bytes(), line.len() - 1, "its line is malformed");
    }
    refuse(b"PROXY TCP4 \xff\r\n", 13, "its line is malformed");
    refuse(&[b"PROXY UNKNOWN ", &[b'x'; 200][..]].concat(), MAX_V1_BYTES - 1, "its line is too long");
}

#[test]
fn version_2() {
    check(&v2(0x21, 0x11, IPV4), Some("198.51.100.7"));
    check(&v2(0x21, 0x21, &ipv6()), Some("2001:db8::7"));
    let tlvs: &[u8] = &[0x04, 0, 3, 1, 2, 3, 0xee, 0, 0];
    check(&v2(0x21, 0x11, &[IPV4, tlvs].concat()), Some("198.51.100.7"));
    check(&v2(0x21, 0x11, &[IPV4, &[7; MAX_BYTES - 16 - 12]].concat()), Some("198.51.100.7"));
    let mapped: Ipv6Addr = "::ffff:198.51.100.7".parse().unwrap();
    check(&v2(0x21, 0x21, &[&mapped.octets()[..], &[0; 20]].concat()), Some("198.51.100.7"));
}

#[test]
fn version_2_may_name_nobody() {
    check(&v2(0x20, 0x00, b""), None);
    check(&v2(0x20, 0x11, IPV4), None);
    check(&v2(0x20, 0x11, b"short"), None);
    check(&v2(0x20, 0xff, b"what is local says nothing of addresses"), None);
    check(&v2(0x21, 0x00, b""), None);
    check(&v2(0x21, 0x00, b"tlvs"), None);
    check(&v2(0x21, 0x10, IPV4), None);
    check(&v2(0x21, 0x12, IPV4), None);
    check(&v2(0x21, 0x31, &[b'/'; 216]), None);
}

#[test]
fn version_2_is_strict() {
    for (command, family, at, reason) in [
        (0x11, 0x11, 12, "its version or command is unknown"),
        (0x31, 0x11, 12, "its version or command is unknown"),
        (0x22, 0x11, 12, "its version or command is unknown"),
        (0x21, 0x41, 13, "its address family or protocol is unknown"),
        (0x21, 0x13, 13, "its address family or protocol is unknown"),
        (0x21, 0x21, 15, "it is too short for its addresses"),
        (0x21, 0x31, 15, "it is too short for its addresses"),
    ] {
        refuse(&v2(command, family, IPV4), at, reason);
    }
    refuse(&v2(0x21, 0x11, &IPV4[..11]), 15, "it is too short for its addresses");
    refuse(&v2(0x21, 0x11, &[0; MAX_BYTES - 15]), 15, "it is too long");
    refuse(&v2(0x20, 0x00, &[0; 65535]), 15, "it is too long");
}

#[test]
fn anything_else_is_known_at_its_first_wrong_byte() {
    let reason = "it begins in another way";
    refuse(b"GET / HTTP/1.1\r\n", 0, reason);
    refuse(b"POST / HTTP/1.1\r\n", 1, reason);
    refuse(b"PROXY\tTCP4", 5, reason);
    refuse(b"proxy TCP4", 0, reason);
    refuse(b" PROXY TCP4", 0, reason);
    refuse(&[0x16, 3, 1, 2, 0], 0, reason);
    refuse(b"\r\n\r\n\0\r\nQUIT\r", 11, reason);
    refuse(b"\r\n\r\nGET", 4, reason);
}
