//! Request targets (RFC 9112 section 3.2), hosts and percent-encoding (RFC 3986).

use std::borrow::Cow;
use std::net::Ipv6Addr;

use super::RequestError;

/// A request target in its parts.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Target {
    /// Percent-decoded; `*` for the asterisk form.
    pub path: Box<str>,
    /// As it came, without the `?`; decodes to UTF-8.
    pub query: Box<str>,
}

/// Parses the origin form, the absolute form of `http` and `https`, and `*` for `OPTIONS`.
pub(super) fn parse_target(target: &str, is_options: bool) -> Result<Target, RequestError> {
    if target == "*" {
        let refused = || RequestError::bad_request("the target * is for OPTIONS only");
        return if is_options { Ok(Target { path: "*".into(), query: "".into() }) } else { Err(refused()) };
    }
    if !target.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#') {
        return Err(RequestError::bad_request("the target has characters that must be percent-encoded"));
    }
    let (path, query) = split_query(path_and_query(target)?);
    let path =
        decode_text(path, false).ok_or_else(|| RequestError::bad_request("the path is badly encoded"))?;
    if path.chars().any(char::is_control) {
        return Err(RequestError::bad_request("the path has control characters"));
    }
    if decode_text(query, true).is_none() {
        return Err(RequestError::bad_request("the query is badly encoded"));
    }
    Ok(Target { path: path.into(), query: query.into() })
}

/// The first value of `name` in a query string, decoded: `+` is a space (the form encoding of the URL standard).
pub(super) fn query_parameter<'q>(query: &'q str, name: &str) -> Option<Cow<'q, str>> {
    query.split('&').find_map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decode_text(key, true)? == name).then(|| decode_text(value, true))?
    })
}

/// Whether a `Host` value or an authority is a host with an optional port.
pub(super) fn is_valid_host(host: &str) -> bool {
    let (name_is_valid, port) = match host.strip_prefix('[') {
        Some(literal) => match literal.split_once(']') {
            Some((address, rest)) => (address.parse::<Ipv6Addr>().is_ok(), rest),
            None => return false,
        },
        None => {
            let name_len = host.find(':').unwrap_or(host.len());
            (is_registered_name(&host[..name_len]), &host[name_len..])
        }
    };
    name_is_valid && is_port(port)
}

fn path_and_query(target: &str) -> Result<&str, RequestError> {
    if target.starts_with('/') {
        return Ok(target);
    }
    let after_scheme = ["http://", "https://"].iter().find_map(|scheme| {
        let is_scheme = target.get(..scheme.len())?.eq_ignore_ascii_case(scheme);
        is_scheme.then(|| &target[scheme.len()..])
    });
    let rest = after_scheme
        .ok_or_else(|| RequestError::bad_request("the target is neither a path nor an http URL"))?;
    let authority_len = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(authority_len);
    if is_valid_host(authority) {
        Ok(path)
    } else {
        Err(RequestError::bad_request("the target's host is invalid"))
    }
}

fn split_query(target: &str) -> (&str, &str) {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    (if path.is_empty() { "/" } else { path }, query)
}

/// A part of a path, decoded; none if it is no UTF-8.
pub fn decode_path(part: &str) -> Option<Cow<'_, str>> {
    decode_text(part, false)
}

fn decode_text(text: &str, plus_is_space: bool) -> Option<Cow<'_, str>> {
    let is_encoded = |byte: u8| byte == b'%' || (plus_is_space && byte == b'+');
    if !text.bytes().any(is_encoded) {
        return Some(Cow::Borrowed(text));
    }
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        decoded.push(match byte {
            b'%' => hex_digit(rest.next()?)? << 4 | hex_digit(rest.next()?)?,
            b'+' if plus_is_space => b' ',
            other => other,
        });
    }
    String::from_utf8(decoded).ok().map(Cow::Owned)
}

fn hex_digit(byte: u8) -> Option<u8> {
    // A hex digit's value is below 16.
    char::from(byte).to_digit(16).map(|digit| digit as u8)
}

/// RFC 3986's reg-name but for the comma: it is the trace of two `Host` lines joined into one.
fn is_registered_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+;=%".contains(&byte);
    !name.is_empty() && name.bytes().all(allowed) && decode_text(name, false).is_some()
}

fn is_port(port: &str) -> bool {
    match port.strip_prefix(':') {
        Some(digits) => {
            digits.is_empty() || (digits.bytes().all(|b| b.is_ascii_digit()) && digits.parse::<u16>().is_ok())
        }
        None => port.is_empty(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn query_parameters() {
        let check = |query: &str, name: &str, expected: Option<&str>| {
            assert_eq!(query_parameter(query, name).as_deref(), expected, "{name} of {query}");
        };
        check("a=1&b=2&a=3", "a", Some("1"));
        check("a=1&b=2", "b", Some("2"));
        check("a=1", "c", None);
        check("", "a", None);
        check("a", "a", Some(""));
        check("a=", "a", Some(""));
        check("a=b=c", "a", Some("b=c"));
        check("&&a=1", "a", Some("1"));
        check("ab=1&a=2", "a", Some("2"));
        check("%61=%c3%A9+%2B%26", "a", Some("é +&"));
        check("a+b=1", "a b", Some("1"));
        check("x=%zz&a=%zz", "a", None);
        check("x=%zz&a=1", "a", Some("1"));
    }

    #[test]
    fn undecoded_values_are_borrowed() {
        assert!(matches!(query_parameter("a=1", "a"), Some(Cow::Borrowed("1"))));
    }

    #[test]
    fn a_plus_in_a_path_stays() {
        let target = parse_target("/a+b%2b?c+d", false).unwrap();
        assert_eq!(target, Target { path: "/a+b+".into(), query: "c+d".into() });
    }
}
