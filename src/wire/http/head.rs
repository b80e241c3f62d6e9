//! A request's head: finding its end as bytes come, and reading it.

use httparse::{EMPTY_HEADER, Status};

use super::target::{Target, is_valid_host, parse_target};
use super::{Method, Request, RequestError, RequestLimits};
use crate::wire::ErrorCode;

/// Finds the end of a block of lines (a head, or the trailers of a chunked body) as its bytes come, each looked at
/// once. Refuses what no line may have: CR or LF alone, control characters, folded lines.
#[derive(Debug)]
pub(super) struct BlockScanner {
    /// Whether the first line is a request line, and not a header.
    is_head: bool,
    bytes: usize,
    line_bytes: usize,
    lines: usize,
    after_cr: bool,
}

impl BlockScanner {
    /// At a request line.
    pub(super) fn head() -> Self {
        Self { is_head: true, bytes: 0, line_bytes: 0, lines: 0, after_cr: false }
    }

    /// After the last chunk.
    pub(super) fn trailers() -> Self {
        Self { is_head: false, ..Self::head() }
    }

    /// How many bytes it has looked at, with the one that it has refused.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Where the block ends in `input` (after its empty line), or none if it goes on.
    pub(super) fn scan(
        &mut self,
        input: &[u8],
        limits: &RequestLimits,
    ) -> Result<Option<usize>, RequestError> {
        for (at, &byte) in input.iter().enumerate() {
            self.bytes += 1;
            if self.bytes > limits.head_bytes {
                return Err(self.overrun(limits.head_bytes));
            }
            if self.after_cr {
                if byte != b'\n' {
                    return Err(RequestError::bad_request("a carriage return without a line feed"));
                }
                if self.line_bytes == 0 {
                    return Ok(Some(at + 1));
                }
                self.end_line(limits.headers)?;
                continue;
            }
            match byte {
                b'\r' => self.after_cr = true,
                b'\n' => return Err(RequestError::bad_request("a line feed without a carriage return")),
                b' ' | b'\t' if self.line_bytes == 0 => {
                    return Err(RequestError::bad_request("a line that begins with white space"));
                }
                b'\t' => self.line_bytes += 1,
                0..=31 | 127 => return Err(RequestError::bad_request("a control character in the head")),
                _ => self.line_bytes += 1,
            }
        }
        Ok(None)
    }

    fn end_line(&mut self, max_headers: usize) -> Result<(), RequestError> {
        self.after_cr = false;
        self.line_bytes = 0;
        self.lines += 1;
        if self.lines > max_headers + usize::from(self.is_head) {
            return Err(RequestError::too_large(431, "too many headers"));
        }
        Ok(())
    }

    fn overrun(&self, max_bytes: usize) -> RequestError {
        match (self.is_head, self.lines) {
            (true, 0) => {
                RequestError::too_large(414, format!("the request line is longer than {max_bytes} bytes"))
            }
            (true, _) => RequestError::too_large(431, format!("the head is longer than {max_bytes} bytes")),
            (false, _) => {
                RequestError::too_large(431, format!("the trailers are longer than {max_bytes} bytes"))
            }
        }
    }
}

/// How the end of a body is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// So many bytes; 0 without a body.
    Length(u64),
    /// `Transfer-Encoding: chunked`.
    Chunked,
}

/// What a head says. The request's body is still empty.
#[derive(Debug)]
pub(super) struct Head {
    pub request: Box<Request>,
    pub framing: Framing,
    /// Whether the client waits for `100 Continue` before it sends the body.
    pub expects_continue: bool,
}

/// The `Origin` in a head that is not read, as it is broken or has not come whole: its page shall be able to read the answer. Only a
/// line that has its end counts: what has come of another may be the name of somebody else.
pub(super) fn find_origin(head: &[u8]) -> Option<Box<str>> {
    const NAME: &[u8] = b"origin:";
    head.split_inclusive(|&byte| byte == b'\n').find_map(|line| {
        let (name, value) = line.strip_suffix(b"\n")?.split_at_checked(NAME.len())?;
        let value = std::str::from_utf8(value.trim_ascii()).ok()?;
        let is_origin = name.eq_ignore_ascii_case(NAME) && value.bytes().all(|byte| byte.is_ascii_graphic());
        (is_origin && !value.is_empty()).then(|| value.into())
    })
}

/// Reads a whole head, as [`BlockScanner`] has found it.
pub(super) fn parse_head(bytes: &[u8], limits: &RequestLimits) -> Result<Head, RequestError> {
    read_head(bytes, limits).map_err(|error| error.of_head(bytes))
}

fn read_head(bytes: &[u8], limits: &RequestLimits) -> Result<Head, RequestError> {
    let mut headers = vec![EMPTY_HEADER; limits.headers];
    let mut parsed = httparse::Request::new(&mut headers);
    match parsed.parse(bytes) {
        Ok(Status::Complete(len)) if len == bytes.len() => {}
        Ok(_) => return Err(RequestError::bad_request("the head is not a request")),
        Err(error) => return Err(explain(error, bytes)),
    }
    let (Some(method), Some(target), Some(version_minor)) = (parsed.method, parsed.path, parsed.version)
    else {
        return Err(RequestError::bad_request("the request line is incomplete"));
    };
    let method = Method::from_name(method);
    let Target { path, query } = parse_target(target, method == Method::Options)?;
    let lower_case = |header: &httparse::Header<'_>| {
        (header.name.to_ascii_lowercase().into_boxed_str(), Box::<[u8]>::from(header.value))
    };
    let mut request = Box::new(Request {
        method,
        target: target.into(),
        path,
        query,
        version_minor,
        headers: parsed.headers.iter().map(lower_case).collect(),
        body: Vec::new(),
        keep_alive: false,
    });
    check_host(&request)?;
    request.keep_alive = keep_alive(&request);
    let framing = framing(&request)?;
    let expects_continue = expects_continue(&request)?;
    Ok(Head { request, framing, expects_continue })
}

fn explain(error: httparse::Error, head: &[u8]) -> RequestError {
    match error {
        httparse::Error::Version if names_other_version(head) => RequestError::with_status(
            505,
            ErrorCode::BadRequest,
            "only HTTP/1.0 and HTTP/1.1 are spoken here",
        ),
        httparse::Error::TooManyHeaders => RequestError::too_large(431, "too many headers"),
        other => RequestError::bad_request(other.to_string()),
    }
}

/// Whether the third part of the request line is a well-formed version.
fn names_other_version(head: &[u8]) -> bool {
    let line = head.split(|&byte| byte == b'\r').next().unwrap_or_default();
    let version = line.splitn(3, |&byte| byte == b' ').nth(2).unwrap_or_default();
    matches!(version, [b'H', b'T', b'T', b'P', b'/', b'0'..=b'9', b'.', b'0'..=b'9'])
}

/// RFC 9112 section 3.2: exactly one valid `Host` in HTTP/1.1, at most one in HTTP/1.0.
fn check_host(request: &Request) -> Result<(), RequestError> {
    let mut hosts = request.header_values("host");
    // An empty one is of a target without a host, and valid.
    let valid = |host: &[u8]| host.is_empty() || std::str::from_utf8(host).is_ok_and(is_valid_host);
    match (hosts.next(), hosts.next()) {
        (None, _) if request.version_minor == 0 => Ok(()),
        (None, _) => Err(RequestError::bad_request("the Host header is missing")),
        (Some(_), Some(_)) => Err(RequestError::bad_request("more than one Host header")),
        (Some(host), None) if valid(host) => Ok(()),
        (Some(_), None) => Err(RequestError::bad_request("the Host header is invalid")),
    }
}

fn keep_alive(request: &Request) -> bool {
    let is_default = request.version_minor == 1;
    !request.has_token("connection", "close") && (is_default || request.has_token("connection", "keep-alive"))
}

/// RFC 9112 section 6.3, without the leniences that it allows.
fn framing(request: &Request) -> Result<Framing, RequestError> {
    let mut lengths = request.header_values("content-length");
    let mut codings = request.header_values("transfer-encoding");
    match (lengths.next(), codings.next()) {
        (None, None) => Ok(Framing::Length(0)),
        (Some(_), Some(_)) => Err(RequestError::bad_request("both Content-Length and Transfer-Encoding")),
        (Some(_), None) if lengths.next().is_some() => {
            Err(RequestError::bad_request("more than one Content-Length"))
        }
        (Some(length), None) => content_length(length).map(Framing::Length),
        (None, Some(_)) if request.version_minor == 0 => {
            Err(RequestError::bad_request("Transfer-Encoding in HTTP/1.0"))
        }
        (None, Some(coding)) if coding.eq_ignore_ascii_case(b"chunked") && codings.next().is_none() => {
            Ok(Framing::Chunked)
        }
        (None, Some(_)) => {
            Err(RequestError::bad_request("the only transfer coding known here is one chunked"))
        }
    }
}

fn content_length(value: &[u8]) -> Result<u64, RequestError> {
    let digits = std::str::from_utf8(value).ok().filter(|text| text.bytes().all(|b| b.is_ascii_digit()));
    digits
        .and_then(|digits| digits.parse().ok())
        .ok_or_else(|| RequestError::bad_request("the Content-Length is not a number of bytes"))
}

/// RFC 9110 section 10.1.1; HTTP/1.0 has no expectations, so a header of that name means nothing there.
fn expects_continue(request: &Request) -> Result<bool, RequestError> {
    if request.version_minor == 0 {
        return Ok(false);
    }
    let mut expectations = request.header_list("expect").peekable();
    let expects_any = expectations.peek().is_some();
    if expectations.all(|expectation| expectation.eq_ignore_ascii_case(b"100-continue")) {
        return Ok(expects_any);
    }
    Err(RequestError::with_status(
        417,
        ErrorCode::BadRequest,
        "the only expectation met here is 100-continue",
    ))
}
