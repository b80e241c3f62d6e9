//! Cross-origin requests: tokens travel in headers, never in cookies, so any origin may be allowed.

/// Parses `*`, or a list of origins with commas between them.
///
/// # Errors
/// Says what is expected.
pub fn parse_origins(text: &str) -> Result<Vec<Box<str>>, String> {
    let origins: Vec<Box<str>> = text.split(',').map(|origin| origin.trim().into()).collect();
    if text == "*" || origins.iter().all(|origin| is_origin(origin)) {
        return Ok(origins);
    }
    Err("expected * or origins such as https://game.example:8443, with commas between them".to_owned())
}

/// Whether a text is a serialized origin as browsers send it: lower case, no path.
fn is_origin(text: &str) -> bool {
    let Some((scheme, host)) = text.split_once("://") else { return false };
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-:[]".contains(&byte);
    scheme.starts_with(|first: char| first.is_ascii_lowercase())
        && scheme
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"+-.".contains(&byte))
        && !host.is_empty()
        && host.bytes().all(allowed)
}

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
        [
            ("Access-Control-Allow-Origin", origin),
            ("Access-Control-Expose-Headers", "Retry-After, Godra-Script"),
        ]
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
