//! The header by which a proxy says whose connection it passes on: HAProxy's PROXY protocol, versions 1 and 2
//! (<https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt>, section 2).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Longest header that is read. One of version 1 has [`MAX_V1_BYTES`]; of version 2, the rest is for its TLVs, which are passed over.
pub const MAX_BYTES: usize = 4096;

/// Longest header of version 1, with its line end (section 2.1).
const MAX_V1_BYTES: usize = 107;
const V1_PREFIX: &[u8] = b"PROXY ";
const V2_SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// The signature, the version and command, the family and protocol, and the length of what follows.
const V2_FIXED_BYTES: usize = 16;

/// What a connection begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyHeader {
    /// A part of a header; more bytes tell.
    Incomplete,
    /// A header.
    Complete {
        /// How many, at most [`MAX_BYTES`]: what follows is the client's.
        length: usize,
        /// Whose connection it is. None where the proxy speaks for itself, as in a check of the server's health, or does not know.
        client: Option<IpAddr>,
    },
    /// No header, whatever follows; the reason.
    Invalid(&'static str),
}

use ProxyHeader::{Complete, Incomplete, Invalid};

impl ProxyHeader {
    /// Looks at the first bytes of a connection, all that have come.
    pub fn parse(bytes: &[u8]) -> Self {
        if begins_like(bytes, V1_PREFIX) {
            parse_v1(bytes)
        } else if begins_like(bytes, V2_SIGNATURE) {
            parse_v2(bytes)
        } else {
            Invalid("it begins in another way")
        }
    }
}

/// Whether the bytes begin with a prefix, as far as they go.
fn begins_like(bytes: &[u8], prefix: &[u8]) -> bool {
    let common = bytes.len().min(prefix.len());
    bytes[..common] == prefix[..common]
}

fn parse_v1(bytes: &[u8]) -> ProxyHeader {
    let head = &bytes[..bytes.len().min(MAX_V1_BYTES)];
    let Some(end) = head.iter().position(|byte| *byte == b'\n') else {
        return if head.len() == MAX_V1_BYTES { Invalid("its line is too long") } else { Incomplete };
    };
    let line = head[..end].strip_suffix(b"\r").and_then(|line| std::str::from_utf8(line).ok());
    let client = line.and_then(|line| v1_client(line.strip_prefix("PROXY ")?));
    client.map_or(Invalid("its line is malformed"), |client| Complete { length: end + 1, client })
}

/// Whom the line of version 1 names, behind its first word. The outer None is a line that is no good.
fn v1_client(line: &str) -> Option<Option<IpAddr>> {
    if line == "UNKNOWN" || line.starts_with("UNKNOWN ") {
        return Some(None);
    }
    let words: Vec<&str> = line.split(' ').collect();
    let [protocol, source, destination, source_port, destination_port] = words[..] else { return None };
    let address = |text: &str| match protocol {
        "TCP4" => text.parse().ok().map(IpAddr::V4),
        // Some senders write it in brackets, which the specification has no word for.
        "TCP6" => {
            let in_brackets = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
            in_brackets.unwrap_or(text).parse().ok().map(IpAddr::V6)
        }
        _ => None,
    };
    address(destination)?;
    (is_port(source_port) && is_port(destination_port)).then_some(())?;
    address(source).map(|address| Some(address.to_canonical()))
}

fn is_port(text: &str) -> bool {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    is_plain && text.parse::<u16>().is_ok()
}

fn parse_v2(bytes: &[u8]) -> ProxyHeader {
    let Some(&version_and_command) = bytes.get(12) else { return Incomplete };
    let is_local = match version_and_command {
        0x20 => true,
        0x21 => false,
        _ => return Invalid("its version or command is unknown"),
    };
    let Some(&family_and_protocol) = bytes.get(13) else { return Incomplete };
    let (family, protocol) = (family_and_protocol >> 4, family_and_protocol & 15);
    if !is_local && (family > UNIX || protocol > DATAGRAM) {
        return Invalid("its address family or protocol is unknown");
    }
    let (Some(&high), Some(&low)) = (bytes.get(14), bytes.get(15)) else { return Incomplete };
    let length = V2_FIXED_BYTES + usize::from(u16::from_be_bytes([high, low]));
    if length > MAX_BYTES {
        return Invalid("it is too long");
    }
    if !is_local && length < V2_FIXED_BYTES + address_bytes(family) {
        return Invalid("it is too short for its addresses");
    }
    let Some(rest) = bytes.get(V2_FIXED_BYTES..length) else { return Incomplete };
    let names_client = !is_local && protocol == STREAM;
    Complete { length, client: if names_client { v2_source(family, rest) } else { None } }
}

/// Address families and protocols of version 2 (section 2.2).
const INET: u8 = 1;
const INET6: u8 = 2;
const UNIX: u8 = 3;
const STREAM: u8 = 1;
const DATAGRAM: u8 = 2;

/// Both addresses, and the ports where there are any.
fn address_bytes(family: u8) -> usize {
    match family {
        INET => 12,
        INET6 => 36,
        UNIX => 216,
        _ => 0,
    }
}

fn v2_source(family: u8, addresses: &[u8]) -> Option<IpAddr> {
    let address = match family {
        INET => Ipv4Addr::from(*addresses.first_chunk::<4>()?).into(),
        INET6 => IpAddr::V6(Ipv6Addr::from(*addresses.first_chunk::<16>()?)),
        _ => return None,
    };
    Some(address.to_canonical())
}

#[cfg(test)]
mod tests;
