//! The opening handshake (RFC 6455 section 4.2).

use tungstenite::handshake::derive_accept_key;

use super::deflate::Agreement;
use crate::wire::ErrorCode;
use crate::wire::http::{Method, Request, RequestError};

/// The subprotocol that the server speaks.
pub const SUBPROTOCOL: &str = "godra";

/// An entry of `Sec-WebSocket-Protocol` that carries a token: browsers can set no other header.
const BEARER_PREFIX: &[u8] = b"bearer.";

/// An upgrade that the server agrees to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Handshake {
    /// The value of `Sec-WebSocket-Accept`.
    pub accept_key: String,
    /// [`SUBPROTOCOL`] if the client offers it.
    pub protocol: Option<String>,
    /// The token that the client offers as the subprotocol `bearer.<token>`. It is never sent back.
    pub bearer: Option<String>,
    /// On how messages may be compressed.
    pub deflate: Option<Agreement>,
}

/// Checks an upgrade request. If the server `compresses`, it agrees to that with who offers it.
///
/// # Errors
/// 405 for another method than GET, 426 for a request that is no upgrade or of another WebSocket version, 400 for
/// whatever else breaks RFC 6455.
pub fn accept(request: &Request, compresses: bool) -> Result<Handshake, RequestError> {
    check_upgrade(request)?;
    let key = single(request, "sec-websocket-key").filter(|key| is_sixteen_bytes(key));
    let key = key.ok_or_else(|| RequestError::bad_request("Sec-WebSocket-Key is not 16 bytes in base64"))?;
    let offers = || request.header_list("sec-websocket-protocol");
    let is_offered = offers().any(|offer| offer == SUBPROTOCOL.as_bytes());
    let bearer = bearer(offers())?;
    // Browsers, and most libraries, give up a WebSocket that was opened with none of the subprotocols that they offered. By then a
    // player that was in the room already would have lost the socket that works.
    if !is_offered && offers().next().is_some() {
        return Err(RequestError::bad_request("offer the subprotocol godra, too: it is the one spoken here"));
    }
    Ok(Handshake {
        accept_key: derive_accept_key(key),
        protocol: is_offered.then(|| SUBPROTOCOL.to_owned()),
        bearer,
        deflate: compresses
            .then(|| Agreement::find(request.header_list("sec-websocket-extensions")))
            .flatten(),
    })
}

/// Appends the response that opens the WebSocket.
pub fn encode_101(out: &mut Vec<u8>, handshake: &Handshake) {
    let fixed = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ";
    out.extend_from_slice(fixed.as_bytes());
    out.extend_from_slice(handshake.accept_key.as_bytes());
    if let Some(protocol) = &handshake.protocol {
        out.extend_from_slice(b"\r\nSec-WebSocket-Protocol: ");
        out.extend_from_slice(protocol.as_bytes());
    }
    if let Some(deflate) = handshake.deflate {
        out.extend_from_slice(b"\r\nSec-WebSocket-Extensions: ");
        deflate.put_answer(out);
    }
    out.extend_from_slice(b"\r\n\r\n");
}

fn check_upgrade(request: &Request) -> Result<(), RequestError> {
    if request.method != Method::Get {
        let rejection = RequestError::with_status(405, ErrorCode::BadRequest, "a WebSocket begins with GET");
        return Err(RequestError { headers: &[("Allow", "GET")], ..rejection });
    }
    if !request.has_token("upgrade", "websocket") {
        return Err(upgrade_required("this is a WebSocket: the request must ask for an upgrade to it"));
    }
    if request.version_minor == 0 {
        return Err(RequestError::bad_request("a WebSocket needs HTTP/1.1"));
    }
    if !request.has_token("connection", "upgrade") {
        return Err(RequestError::bad_request("the Connection header does not name the upgrade"));
    }
    if !request.body.is_empty() {
        return Err(RequestError::bad_request("an upgrade request has no body"));
    }
    if single(request, "sec-websocket-version") != Some(b"13") {
        return Err(upgrade_required("the only WebSocket version spoken here is 13"));
    }
    Ok(())
}

fn upgrade_required(message: &str) -> RequestError {
    let headers = &[("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Version", "13")];
    RequestError { headers, ..RequestError::with_status(426, ErrorCode::BadRequest, message) }
}

fn single<'r>(request: &'r Request, name: &str) -> Option<&'r [u8]> {
    let mut values = request.header_values(name);
    values.next().filter(|_| values.next().is_none())
}

fn is_sixteen_bytes(key: &[u8]) -> bool {
    let is_digit = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    key.len() == 24 && key[..22].iter().all(is_digit) && key[22..] == *b"=="
}

fn bearer<'r>(offers: impl Iterator<Item = &'r [u8]>) -> Result<Option<String>, RequestError> {
    let mut tokens = offers.filter_map(|offer| offer.strip_prefix(BEARER_PREFIX));
    let Some(token) = tokens.next() else { return Ok(None) };
    if tokens.next().is_some() {
        return Err(RequestError::bad_request("more than one bearer subprotocol"));
    }
    match std::str::from_utf8(token) {
        Ok(token) if !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic()) => {
            Ok(Some(token.to_owned()))
        }
        _ => Err(RequestError::bad_request("the bearer subprotocol is not a token")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::http::{Decoded, RequestDecoder, RequestLimits};

    const KEY: &str = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";
    const VERSION: &str = "Sec-WebSocket-Version: 13";
    const UPGRADE: &str = "Upgrade: websocket";
    const CONNECTION: &str = "Connection: Upgrade";

    fn answer(request_line: &str, headers: &[&str]) -> Result<Handshake, RequestError> {
        let head = format!("{request_line}\r\nHost: a\r\n{}\r\n\r\nx", headers.join("\r\n"));
        match RequestDecoder::new().decode(head.as_bytes(), &RequestLimits::default()).1 {
            Decoded::Request(request) => accept(&request, true),
            other => panic!("{head}: {other:?}"),
        }
    }

    fn check(headers: &[&str], protocol: Option<&str>, bearer: Option<&str>) {
        let handshake = answer("GET /ws HTTP/1.1", headers).unwrap();
        assert_eq!(handshake.accept_key, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        assert_eq!(
            (handshake.protocol.as_deref(), handshake.bearer.as_deref()),
            (protocol, bearer),
            "{headers:?}"
        );
    }

    #[track_caller]
    fn refused(headers: &[&str], status: u16, message: &str) {
        let rejection = answer("GET /ws HTTP/1.1", headers).unwrap_err();
        assert_eq!(rejection.status, status, "{rejection:?}");
        assert!(rejection.message.contains(message), "{rejection:?}");
        let names_version = rejection.headers.contains(&("Sec-WebSocket-Version", "13"));
        assert_eq!(names_version, status == 426);
    }

    #[test]
    fn upgrades() {
        check(&[UPGRADE, CONNECTION, VERSION, KEY], None, None);
        check(&["upgrade: h2c, WebSocket", "connection: keep-alive, UPGRADE", VERSION, KEY], None, None);
        check(&[UPGRADE, "Connection: keep-alive", CONNECTION, VERSION, KEY], None, None);
        check(
            &[UPGRADE, CONNECTION, VERSION, KEY, "Sec-WebSocket-Extensions: permessage-deflate"],
            None,
            None,
        );
        check(&[UPGRADE, CONNECTION, VERSION, KEY, "Sec-WebSocket-Extensions: ;=,\"é,x;;"], None, None);
    }

    #[test]
    fn subprotocols() {
        let offer = |offer: &str, protocol: Option<&str>, bearer: Option<&str>| {
            check(
                &[UPGRADE, CONNECTION, VERSION, KEY, &format!("Sec-WebSocket-Protocol: {offer}")],
                protocol,
                bearer,
            );
        };
        offer("godra", Some("godra"), None);
        offer("godra, bearer.a.b-c_d", Some("godra"), Some("a.b-c_d"));
        offer("bearer.a.b.c,godra", Some("godra"), Some("a.b.c"));
        offer("bearer.a\r\nSec-WebSocket-Protocol: godra", Some("godra"), Some("a"));
        offer("chat, godra", Some("godra"), None);
        for none_spoken in ["bearer.a.b.c", "chat, Godra, bearer", "godra.2, bearer.a"] {
            let offer = format!("Sec-WebSocket-Protocol: {none_spoken}");
            refused(&[UPGRADE, CONNECTION, VERSION, KEY, &offer], 400, "offer the subprotocol godra");
        }
    }

    #[test]
    fn requests_that_are_no_upgrade() {
        refused(&[CONNECTION, VERSION, KEY], 426, "upgrade");
        refused(&["Upgrade: websockets", CONNECTION, VERSION, KEY], 426, "upgrade");
        refused(&[UPGRADE, VERSION, KEY], 400, "Connection");
        refused(&[UPGRADE, "Connection: keep-alive", VERSION, KEY], 400, "Connection");
        refused(&[UPGRADE, CONNECTION, KEY], 426, "version");
        refused(&[UPGRADE, CONNECTION, KEY, "Sec-WebSocket-Version: 8"], 426, "version");
        refused(&[UPGRADE, CONNECTION, KEY, VERSION, VERSION], 426, "version");
        refused(&[UPGRADE, CONNECTION, KEY, "Sec-WebSocket-Version: 13, 8"], 426, "version");
        refused(&[UPGRADE, CONNECTION, KEY, VERSION, "Content-Length: 1"], 400, "body");
        let post = answer("POST /ws HTTP/1.1", &[UPGRADE, CONNECTION, VERSION, KEY]).unwrap_err();
        assert_eq!((post.status, post.headers), (405, &[("Allow", "GET")][..]));
        let old = answer("GET /ws HTTP/1.0", &[UPGRADE, CONNECTION, VERSION, KEY]).unwrap_err();
        assert_eq!(old.status, 400);
    }

    #[test]
    fn keys_that_are_not_sixteen_bytes() {
        let key = |value: &str| {
            refused(&[UPGRADE, CONNECTION, VERSION, &format!("Sec-WebSocket-Key: {value}")], 400, "Key");
        };
        key("");
        key("dGhlIHNhbXBsZSBub25jZQ=");
        key("dGhlIHNhbXBsZSBub25jZQ");
        key("dGhlIHNhbXBsZSBub25jZQ===");
        key("dGhlIHNhbXBsZSBub25jZWE=");
        key("dGhlIHNhbXBsZSBub25jZWEx");
        key("dGhlIHNhbXBsZSBub25j-_==");
        refused(&[UPGRADE, CONNECTION, VERSION], 400, "Key");
        refused(&[UPGRADE, CONNECTION, VERSION, KEY, KEY], 400, "Key");
    }

    #[test]
    fn bearers_that_are_no_token() {
        let offer = |offer: &str| {
            refused(
                &[UPGRADE, CONNECTION, VERSION, KEY, &format!("Sec-WebSocket-Protocol: {offer}")],
                400,
                "bearer",
            );
        };
        offer("bearer.");
        offer("bearer.é");
        offer("bearer.a b");
        offer("bearer.a, bearer.b");
    }

    #[test]
    fn the_response_names_only_what_was_agreed() {
        let check = |protocol: Option<&str>, expected: &str| {
            let handshake = Handshake {
                accept_key: "key=".into(),
                protocol: protocol.map(str::to_owned),
                bearer: Some("secret".into()),
                deflate: None,
            };
            let mut out = Vec::new();
            encode_101(&mut out, &handshake);
            let fixed = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n";
            assert_eq!(String::from_utf8(out).unwrap(), format!("{fixed}{expected}"));
        };
        check(None, "Sec-WebSocket-Accept: key=\r\n\r\n");
        check(Some("godra"), "Sec-WebSocket-Accept: key=\r\nSec-WebSocket-Protocol: godra\r\n\r\n");
    }
}
