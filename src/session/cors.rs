//! Cross-origin requests: tokens travel in headers, never in cookies, so any origin may be allowed.

/// The `Access-Control-Allow-Origin` for a request of `origin`; none if it is not allowed. `*` in `allowed` allows
/// all, also a request that names no origin.
pub fn allow_origin<'a>(allowed: &'a [Box<str>], origin: Option<&str>) -> Option<&'a str> {
    if allows_any(allowed) {
        return Some("*");
    }
    let origin = origin?;
    allowed.iter().map(|allowed| &**allowed).find(|allowed| *allowed == origin)
}

/// The headers of every answer, given what [`allow_origin`] said of its request.
pub fn headers<'a>(
    allowed: &[Box<str>],
    allow_origin: Option<&'a str>,
) -> impl Iterator<Item = (&'a str, &'a str)> {
    // Without it, a cache would give the answer to one origin to another.
    let vary = (!allows_any(allowed)).then_some(("Vary", "Origin"));
    let granted = allow_origin.map(|origin| {
        [("Access-Control-Allow-Origin", origin), ("Access-Control-Expose-Headers", "Retry-After")]
    });
    granted.into_iter().flatten().chain(vary)
}

/// The headers of a preflight's answer, besides those of every answer (Fetch standard, CORS protocol).
pub const PREFLIGHT_HEADERS: [(&str, &str); 3] = [
    ("Access-Control-Allow-Methods", "GET, HEAD, POST, OPTIONS"),
    ("Access-Control-Allow-Headers", "Authorization, Content-Type"),
    ("Access-Control-Max-Age", "86400"),
];

fn allows_any(allowed: &[Box<str>]) -> bool {
    allowed.iter().any(|origin| &**origin == "*")
}
