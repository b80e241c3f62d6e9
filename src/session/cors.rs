//! Pages of other origins: which may call, and what their browsers are told of it (Fetch standard, CORS protocol).
//!
//! Tokens travel in headers, never in cookies, so a page can do nothing in a visitor's name by being visited, and any origin may be
//! allowed.

use std::borrow::Cow;

use crate::wire::http::{Request, is_token};

/// The origins whose pages may call, as `--allow-origin` lists them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AllowedOrigins {
    /// `*`: everybody's.
    Any,
    /// Those that match one of these.
    Listed(Vec<OriginPattern>),
}

/// One entry of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OriginPattern {
    /// Of this origin alone, as browsers write it.
    Exact(Box<str>),
    /// `https://*.example.com`: of every name below `example.com`, as deep as it may be, and not of `example.com` itself. That is
    /// what the wildcard of a Content-Security-Policy means.
    Below {
        /// With its `://`.
        scheme: Box<str>,
        /// With the dot in front, and the port if there is one.
        domain: Box<str>,
    },
    /// `null`: pages of files and of sandboxed frames.
    Null,
}

const EXPECTED: &str = "expected *, or origins such as https://game.example:8443, https://*.game.example or null, with commas between them";

impl AllowedOrigins {
    /// Parses `*`, or a list with commas between its origins.
    ///
    /// # Errors
    /// Says what is expected.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.trim() == "*" {
            return Ok(Self::Any);
        }
        let patterns = text.split(',').map(|one| OriginPattern::parse(one.trim())).collect::<Option<_>>();
        patterns.map(Self::Listed).ok_or_else(|| EXPECTED.to_owned())
    }

    /// Whether pages of that origin may call, which is written as browsers do.
    pub fn allow(&self, origin: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Listed(patterns) => patterns.iter().any(|pattern| pattern.matches(origin)),
        }
    }

    /// The `Access-Control-Allow-Origin` for a request of `origin`; none if it is not allowed. Where all are, a request that names
    /// no origin gets it, too.
    pub fn grant<'a>(&self, origin: Option<&'a str>) -> Option<&'a str> {
        match self {
            Self::Any => Some("*"),
            Self::Listed(_) => origin.filter(|origin| self.allow(origin)),
        }
    }

    /// The headers of every answer, given what [`AllowedOrigins::grant`] said of its request.
    pub fn headers<'a>(&self, granted: Option<&'a str>) -> impl Iterator<Item = (&'a str, &'a str)> {
        // Without it, a cache would give the answer to one origin to another.
        let vary = (*self != Self::Any).then_some(("Vary", "Origin"));
        let granted = granted.map(|origin| {
            [
                ("Access-Control-Allow-Origin", origin),
                ("Access-Control-Expose-Headers", "Retry-After, Godra-Script"),
            ]
        });
        granted.into_iter().flatten().chain(vary)
    }
}

impl OriginPattern {
    fn parse(text: &str) -> Option<Self> {
        if text == "null" {
            return Some(Self::Null);
        }
        // People copy them from wherever; browsers write them in lower case, and leave out a port that the scheme implies.
        let text = text.to_ascii_lowercase();
        let (scheme, authority) = text.split_once("://")?;
        let authority = without_default_port(scheme, authority);
        let is_scheme =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"+-.".contains(&byte);
        if !scheme.starts_with(|first: char| first.is_ascii_lowercase()) || !scheme.bytes().all(is_scheme) {
            return None;
        }
        match authority.strip_prefix('*') {
            Some(domain) if domain.len() > 1 && domain.starts_with('.') && is_authority(domain) => {
                Some(Self::Below { scheme: format!("{scheme}://").into(), domain: domain.into() })
            }
            None if is_authority(authority) => Some(Self::Exact(format!("{scheme}://{authority}").into())),
            _ => None,
        }
    }

    fn matches(&self, origin: &str) -> bool {
        match self {
            Self::Exact(exact) => origin == &**exact,
            Self::Below { scheme, domain } => {
                let host = origin.strip_prefix(&**scheme).and_then(|rest| rest.strip_suffix(&**domain));
                host.is_some_and(|labels| labels.split('.').all(is_label))
            }
            // For a WebSocket, Chromium writes the origin of a file so.
            Self::Null => matches!(origin, "null" | "file://"),
        }
    }
}

/// Whether a request's page comes from the very server that it asks, as the `Host` header names it. The scheme does not count: a
/// proxy in front may have spoken TLS with the browser.
pub fn is_same_origin(origin: &str, request: &Request) -> bool {
    let (Some((scheme, authority)), Some(host)) = (origin.split_once("://"), request.header("host")) else {
        return false;
    };
    let bare = |authority| without_default_port(scheme, authority);
    !authority.is_empty() && bare(authority).eq_ignore_ascii_case(bare(host))
}

/// The methods of a preflight's answer.
pub const ALLOW_METHODS: &str = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";
/// For how long a browser may remember a preflight's answer, in seconds. Browsers have bounds of their own, at most a day.
pub const MAX_AGE_S: &str = "86400";
/// The headers that every page needs.
const ALWAYS_ALLOWED: &str = "Authorization, Content-Type";
/// As much of what a preflight asks for is allowed, in bytes.
const MAX_REQUESTED_BYTES: usize = 1024;

/// The `Access-Control-Allow-Headers` of a preflight's answer: what the server reads, and what the page wants to send besides, as
/// libraries that trace calls add headers of their own, which are not looked at.
pub fn allow_headers(request: &Request) -> Cow<'static, str> {
    let mut allowed = Cow::Borrowed(ALWAYS_ALLOWED);
    for name in request.header_list("access-control-request-headers") {
        let Some(name) = std::str::from_utf8(name).ok().filter(|name| is_token(name)) else { continue };
        let is_new = !allowed.split(", ").any(|known| known.eq_ignore_ascii_case(name));
        if is_new && allowed.len() + name.len() <= MAX_REQUESTED_BYTES {
            allowed.to_mut().extend([", ", name]);
        }
    }
    allowed
}

fn without_default_port<'a>(scheme: &str, authority: &'a str) -> &'a str {
    let port = match scheme {
        "http" | "ws" => ":80",
        "https" | "wss" => ":443",
        _ => return authority,
    };
    authority.strip_suffix(port).unwrap_or(authority)
}

/// Whether a text may be a host, with a port or without: no path, no user.
fn is_authority(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-_:[]".contains(&byte);
    !text.is_empty() && text.bytes().all(allowed)
}

fn is_label(label: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte);
    !label.is_empty() && label.bytes().all(allowed)
}
