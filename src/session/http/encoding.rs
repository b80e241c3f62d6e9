//! Which content codings a client takes (RFC 9110, section 12.5.3).

use crate::wire::http::Request;

/// Whether an answer may be gzipped: only where the client names it. One that takes anything (`*`), or does not say, gets the plain
/// body, which is as good.
pub(super) fn accepts_gzip(request: &Request) -> bool {
    request.header_list("accept-encoding").any(|element| {
        let mut parts = element.split(|&byte| byte == b';').map(<[u8]>::trim_ascii);
        let coding = parts.next().unwrap_or_default();
        let is_gzip = [&b"gzip"[..], b"x-gzip"].iter().any(|name| coding.eq_ignore_ascii_case(name));
        is_gzip && !parts.any(is_refusal)
    })
}

/// A weight of zero: "not acceptable" (RFC 9110, section 12.4.2).
fn is_refusal(parameter: &[u8]) -> bool {
    let Some((b'q' | b'Q', b'=')) = parameter.first().copied().zip(parameter.get(1).copied()) else {
        return false;
    };
    parameter[2..].iter().all(|byte| matches!(byte, b'0' | b'.'))
}
