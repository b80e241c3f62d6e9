//! The client's side of the WebSocket upgrade: the request's bytes, and the check of the answer.

use super::inflate::{ANSWER, OFFER};
use tungstenite::handshake::derive_accept_key;

/// Why an upgrade did not happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// An HTTP answer other than 101, and what it says, if that came with it.
    Status(u16, Option<String>),
    /// An answer that breaks RFC 6455 or HTTP.
    Invalid(&'static str),
}

/// What the upgrade asks for.
pub(crate) struct Request<'a> {
    pub host: &'a str,
    pub token: &'a str,
    pub game_id: &'a str,
    /// Where to go on from: the epoch and the last `seq` seen.
    pub since: Option<(&'a str, u64)>,
    pub key: &'a str,
    /// Whether compression is offered.
    pub compress: bool,
}

impl Request<'_> {
    /// Appends the request to `out`.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        let Self { host, token, game_id, key, .. } = self;
        let offer =
            if self.compress { format!("Sec-WebSocket-Extensions: {OFFER}\r\n") } else { String::new() };
        let resume =
            self.since.map(|(epoch, since)| format!("&epoch={epoch}&since={since}")).unwrap_or_default();
        out.extend_from_slice(
            format!(
                "GET /ws?token={token}&game_id={game_id}{resume} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\n\
                 Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n{offer}\r\n"
            )
            .as_bytes(),
        );
    }
}

/// A `Sec-WebSocket-Key`: 16 bytes in base64, made from random bits.
pub(crate) fn key(bits: u64) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let spread = u128::from(bits).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
    let digits = (0..21).map(|i| ALPHABET[(spread >> (6 * i)) as usize & 63] as char);
    // The 22nd digit of 16 bytes carries only two bits.
    digits.chain(['Q', '=', '=']).collect()
}

/// Reads the answer at the front of `bytes`: its length once the upgrade is there, `None` while it is not.
/// Whether compression was agreed on comes with it, which may be if it was `offered`.
pub(super) fn read_answer(bytes: &[u8], key: &str, offered: bool) -> Result<Option<(usize, bool)>, Refused> {
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut response = httparse::Response::new(&mut headers);
    let length = match response.parse(bytes) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(_) => return Err(Refused::Invalid("an answer that is not HTTP")),
    };
    match response.code {
        Some(101) => {
            check_headers(response.headers, key, offered).map(|compresses| Some((length, compresses)))
        }
        status => Err(Refused::Status(status.unwrap_or(0), message(&bytes[length..]))),
    }
}

/// The message of an error as the server's answers have it.
fn message(body: &[u8]) -> Option<String> {
    let body: serde_json::Value = serde_json::from_slice(body).ok()?;
    body["error"]["message"].as_str().map(str::to_owned)
}

/// Whether compression was agreed on.
fn check_headers(headers: &[httparse::Header<'_>], key: &str, offered: bool) -> Result<bool, Refused> {
    let value =
        |name: &str| headers.iter().find(|header| header.name.eq_ignore_ascii_case(name)).map(|h| h.value);
    let lists = |name: &str, wanted: &str| {
        let text = value(name).and_then(|value| std::str::from_utf8(value).ok()).unwrap_or("");
        text.split(',').any(|part| part.trim().eq_ignore_ascii_case(wanted))
    };
    if !lists("upgrade", "websocket") || !lists("connection", "upgrade") {
        return Err(Refused::Invalid("an upgrade without its Upgrade and Connection headers"));
    }
    if value("sec-websocket-accept") != Some(derive_accept_key(key.as_bytes()).as_bytes()) {
        return Err(Refused::Invalid("a wrong Sec-WebSocket-Accept"));
    }
    match value("sec-websocket-extensions") {
        None => Ok(false),
        Some(answer) if offered && answer == ANSWER.as_bytes() => Ok(true),
        Some(_) => Err(Refused::Invalid("an extension that was not asked for")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
    const GOOD: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n\
                        Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

    #[test]
    fn answers() {
        let check =
            |bytes: &str, expected| assert_eq!(read_answer(bytes.as_bytes(), KEY, true), expected, "{bytes}");
        check(GOOD, Ok(Some((GOOD.len(), false))));
        check(&format!("{GOOD}rest"), Ok(Some((GOOD.len(), false))));
        let with =
            |answer| GOOD.replace("\r\n\r\n", &format!("\r\nSec-WebSocket-Extensions: {answer}\r\n\r\n"));
        let unasked = Err(Refused::Invalid("an extension that was not asked for"));
        let compressing = with(ANSWER);
        check(&compressing, Ok(Some((compressing.len(), true))));
        assert_eq!(read_answer(compressing.as_bytes(), KEY, false), unasked);
        check(&with("permessage-deflate"), unasked);
        check(&GOOD[..GOOD.len() - 1], Ok(None));
        check(&GOOD.replace("s3p", "S3p"), Err(Refused::Invalid("a wrong Sec-WebSocket-Accept")));
        check(
            &GOOD.replace("keep-alive, Upgrade", "keep-alive"),
            Err(Refused::Invalid("an upgrade without its Upgrade and Connection headers")),
        );
        check("HTTP/1.1 503 Service Unavailable\r\n\r\n", Err(Refused::Status(503, None)));
        let full =
            "HTTP/1.1 403 Forbidden\r\n\r\n{\"error\":{\"code\":\"conflict\",\"message\":\"It is full\"}}";
        check(full, Err(Refused::Status(403, Some("It is full".into()))));
        check("nonsense\r\n\r\n", Err(Refused::Invalid("an answer that is not HTTP")));
    }

    #[test]
    fn keys_are_sixteen_bytes_in_base64() {
        let keys = [key(1), key(2), key(u64::MAX)];
        assert!(keys.iter().all(|key| key.len() == 24 && key.ends_with("Q==")), "{keys:?}");
        assert_ne!(keys[0], keys[1]);
    }

    #[test]
    fn the_request_names_where_to_go_on() {
        let mut out = Vec::new();
        Request { host: "h:1", token: "t", game_id: "g", since: Some(("e", 9)), key: KEY, compress: false }
            .write(&mut out);
        let text = String::from_utf8(out).unwrap();
        assert!(
            text.starts_with("GET /ws?token=t&game_id=g&epoch=e&since=9 HTTP/1.1\r\nHost: h:1\r\n"),
            "{text}"
        );
        assert!(text.ends_with("\r\n\r\n"));
    }
}
