//! Cross-origin requests: tokens travel in headers, never in cookies, so any origin may be allowed.

use crate::wire::http::Request;

/// The `Access-Control-Allow-Origin` for a request; none if its origin is not allowed. `*` in `allowed` allows all.
pub fn allow_origin<'a>(allowed: &'a [Box<str>], request: &Request) -> Option<&'a str> {
    if allowed.iter().any(|origin| &**origin == "*") {
        return Some("*");
    }
    let origin = request.header("origin")?;
    allowed.iter().map(|allowed| &**allowed).find(|allowed| *allowed == origin)
}

/// The headers of a preflight's answer, besides `Access-Control-Allow-Origin` (Fetch standard, CORS protocol).
pub const PREFLIGHT_HEADERS: [(&str, &str); 3] = [
    ("Access-Control-Allow-Methods", "GET, HEAD, POST, OPTIONS"),
    ("Access-Control-Allow-Headers", "Authorization, Content-Type"),
    ("Access-Control-Max-Age", "86400"),
];
