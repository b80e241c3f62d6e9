//! A whole request.

use std::borrow::Cow;

use super::target;

/// Whether a text is a token, as names of headers are (RFC 9110 section 5.6.2).
pub fn is_token(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(allowed)
}

/// The method of a request line: those served here, or another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Method {
    /// `GET`
    Get,
    /// `HEAD`
    Head,
    /// `POST`
    Post,
    /// `PUT`
    Put,
    /// `PATCH`
    Patch,
    /// `DELETE`
    Delete,
    /// `OPTIONS`
    Options,
    /// Any other token, as it came; methods are case-sensitive.
    Other(Box<str>),
}

impl Method {
    /// Of the name as it is written in a request line.
    pub fn from_name(name: &str) -> Self {
        match name {
            "GET" => Self::Get,
            "HEAD" => Self::Head,
            "POST" => Self::Post,
            "PUT" => Self::Put,
            "PATCH" => Self::Patch,
            "DELETE" => Self::Delete,
            "OPTIONS" => Self::Options,
            other => Self::Other(other.into()),
        }
    }

    /// The name as it is written in a request line.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
            Self::Options => "OPTIONS",
            Self::Other(name) => name,
        }
    }
}

/// A request with its whole body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// As the request line names it.
    pub method: Method,
    /// The request target as it came.
    pub target: Box<str>,
    /// The target's path, percent-decoded; `/` if the target has none, `*` for `OPTIONS *`.
    pub path: Box<str>,
    /// The target's query as it came, without the `?`. See [`Request::query_parameter`].
    pub query: Box<str>,
    /// 0 for HTTP/1.0, 1 for HTTP/1.1.
    pub version_minor: u8,
    /// Names in lower case, values without the space around them, in the order in which they came.
    pub headers: Vec<(Box<str>, Box<[u8]>)>,
    /// Without its transfer coding.
    pub body: Vec<u8>,
    /// Whether the client expects the connection to stay open after the response (RFC 9112 section 9.3).
    pub keep_alive: bool,
}

impl Request {
    /// The first header of that lower-case name; none also if its value is not visible ASCII, spaces and tabs.
    pub fn header(&self, name: &str) -> Option<&str> {
        let value = self.header_values(name).next()?;
        std::str::from_utf8(value).ok().filter(|text| text.is_ascii())
    }

    /// Memory that its texts and its body take.
    pub fn held_bytes(&self) -> usize {
        /// What a header takes besides its name and value, and the allocator for each of these.
        const HEADER_BYTES: usize = 64;
        let headers = self.headers.iter().map(|(name, value)| HEADER_BYTES + name.len() + value.len());
        let texts = self.target.len() + self.path.len() + self.query.len();
        texts + headers.sum::<usize>() + self.body.capacity()
    }

    /// All values of a header, by its lower-case name.
    pub fn header_values<'r>(&'r self, name: &str) -> impl Iterator<Item = &'r [u8]> {
        self.headers.iter().filter(move |(key, _)| &**key == name).map(|(_, value)| &**value)
    }

    /// The elements of a comma-separated list header, over all its lines; empty ones are left out.
    pub fn header_list<'r>(&'r self, name: &str) -> impl Iterator<Item = &'r [u8]> {
        let elements = |value: &'r [u8]| value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii);
        self.header_values(name).flat_map(elements).filter(|element| !element.is_empty())
    }

    /// Whether a comma-separated list header has that element, in any case.
    pub fn has_token(&self, name: &str, token: &str) -> bool {
        self.header_list(name).any(|element| element.eq_ignore_ascii_case(token.as_bytes()))
    }

    /// The first value of a query parameter, percent-decoded and with `+` as a space.
    pub fn query_parameter(&self, name: &str) -> Option<Cow<'_, str>> {
        target::query_parameter(&self.query, name)
    }
}
