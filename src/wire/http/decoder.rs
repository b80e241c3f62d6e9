//! Requests out of bytes as they come.

use std::mem;

use super::chunked::ChunkedDecoder;
use super::head::{BlockScanner, Framing, Head, find_origin, parse_head};
use super::{Request, RequestError, RequestLimits};
use crate::wire::buffer::append_bounded;

/// Empty lines that may come before a request line (RFC 9112 section 2.2): some clients send one after a body.
const MAX_BLANK_LINES: u8 = 4;

/// Decodes one connection's requests. Takes two words while no request is unfinished.
#[derive(Debug)]
pub struct RequestDecoder {
    state: ParseState,
}

#[derive(Debug)]
enum ParseState {
    /// Between requests. Only empty lines have come, and maybe the CR of one more.
    Idle { blank_lines: u8, after_cr: bool },
    /// Part of a head has come.
    Head(Box<PartialHead>),
    /// The head has come, and maybe a part of the body.
    Body(Box<PartialBody>),
    /// A request was refused: where the next would begin is unknown.
    Refused,
}

#[derive(Debug)]
struct PartialHead {
    scanner: BlockScanner,
    bytes: Vec<u8>,
}

#[derive(Debug)]
struct PartialBody {
    request: Box<Request>,
    framing: BodyFraming,
}

#[derive(Debug)]
enum BodyFraming {
    Length(usize),
    Chunked(ChunkedDecoder),
}

/// What a call of [`RequestDecoder::decode`] found.
#[derive(Debug, PartialEq, Eq)]
pub enum Decoded {
    /// The request is unfinished, or there was nothing to decode. The whole input is consumed.
    NeedMore,
    /// A head has come whose client waits for [`super::CONTINUE`] before it sends the body. Send it and go on decoding.
    Continue,
    /// A whole request. Input after it is not consumed.
    Request(Box<Request>),
    /// Answer this and close: later calls decode nothing.
    Malformed(RequestError),
}

/// What a decoder waits for, so that its caller can set deadlines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// A request's first byte.
    Idle,
    /// The rest of a head.
    Head,
    /// The rest of a body.
    Body,
}

impl RequestDecoder {
    /// A decoder at the start of a connection.
    pub const fn new() -> Self {
        Self { state: ParseState::IDLE }
    }

    /// Decodes up to one request and says how much of `input` is consumed. Call again with the rest of the input
    /// until it is consumed whole.
    pub fn decode(&mut self, input: &[u8], limits: &RequestLimits) -> (usize, Decoded) {
        self.advance(input, limits).unwrap_or_else(|refusal| {
            self.state = ParseState::Refused;
            (input.len(), Decoded::Malformed(refusal))
        })
    }

    /// What the decoder waits for.
    pub fn phase(&self) -> Phase {
        match self.state {
            ParseState::Idle { .. } | ParseState::Refused => Phase::Idle,
            ParseState::Head(_) => Phase::Head,
            ParseState::Body(_) => Phase::Body,
        }
    }

    /// The request whose head is whole and whose body is not, and how long its body is known to become: what has come, or what
    /// the head announces.
    pub fn begun_body(&self) -> Option<(&Request, usize)> {
        let ParseState::Body(body) = &self.state else { return None };
        let announced = match body.framing {
            BodyFraming::Length(len) => len,
            BodyFraming::Chunked(_) => 0,
        };
        Some((&body.request, announced.max(body.request.body.len())))
    }

    /// The page that an unfinished request comes from, as far as it has come.
    pub fn origin(&self) -> Option<Box<str>> {
        match &self.state {
            ParseState::Idle { .. } | ParseState::Refused => None,
            ParseState::Head(head) => find_origin(&head.bytes),
            ParseState::Body(body) => body.request.header("origin").map(Into::into),
        }
    }

    /// Memory held for an unfinished request.
    pub fn held_bytes(&self) -> usize {
        match &self.state {
            ParseState::Idle { .. } | ParseState::Refused => 0,
            ParseState::Head(head) => head.bytes.capacity(),
            ParseState::Body(body) => {
                let trailers = match &body.framing {
                    BodyFraming::Length(_) => 0,
                    BodyFraming::Chunked(decoder) => decoder.held_bytes(),
                };
                body.request.held_bytes() + trailers
            }
        }
    }

    fn advance(&mut self, input: &[u8], limits: &RequestLimits) -> Result<(usize, Decoded), RequestError> {
        match mem::replace(&mut self.state, ParseState::IDLE) {
            ParseState::Idle { blank_lines, after_cr } => self.begin(blank_lines, after_cr, input, limits),
            ParseState::Head(head) => self.continue_head(head, input, limits),
            ParseState::Body(body) => self.continue_body(body, input, 0, limits),
            ParseState::Refused => {
                self.state = ParseState::Refused;
                Ok((input.len(), Decoded::NeedMore))
            }
        }
    }

    fn begin(
        &mut self,
        mut blank_lines: u8,
        mut after_cr: bool,
        input: &[u8],
        limits: &RequestLimits,
    ) -> Result<(usize, Decoded), RequestError> {
        let mut start = 0;
        while let Some(&byte) = input.get(start) {
            match byte {
                b'\n' if after_cr => {
                    after_cr = false;
                    blank_lines += 1;
                }
                b'\r' if !after_cr && blank_lines < MAX_BLANK_LINES => after_cr = true,
                b'\r' if !after_cr => {
                    return Err(RequestError::bad_request("too many empty lines before a request"));
                }
                _ if after_cr => {
                    return Err(RequestError::bad_request("a carriage return without a line feed"));
                }
                _ => return self.begin_head(input, start, limits),
            }
            start += 1;
        }
        self.state = ParseState::Idle { blank_lines, after_cr };
        Ok((input.len(), Decoded::NeedMore))
    }

    fn begin_head(
        &mut self,
        input: &[u8],
        start: usize,
        limits: &RequestLimits,
    ) -> Result<(usize, Decoded), RequestError> {
        let mut scanner = BlockScanner::head();
        let head = &input[start..];
        let scanned = scanner.scan(head, limits);
        let Some(len) = scanned.map_err(|error| error.of_head(&head[..scanner.bytes()]))? else {
            self.state = ParseState::Head(Box::new(PartialHead { scanner, bytes: input[start..].to_vec() }));
            return Ok((input.len(), Decoded::NeedMore));
        };
        let end = start + len;
        self.begin_body(parse_head(&input[start..end], limits)?, input, end, limits)
    }

    fn continue_head(
        &mut self,
        mut head: Box<PartialHead>,
        input: &[u8],
        limits: &RequestLimits,
    ) -> Result<(usize, Decoded), RequestError> {
        let end = head.scanner.scan(input, limits);
        let read = head.scanner.bytes();
        let end = end.map_err(|error| error.of_head(&[&head.bytes, input].concat()[..read]))?;
        append_bounded(&mut head.bytes, &input[..end.unwrap_or(input.len())], limits.head_bytes);
        let Some(end) = end else {
            self.state = ParseState::Head(head);
            return Ok((input.len(), Decoded::NeedMore));
        };
        self.begin_body(parse_head(&head.bytes, limits)?, input, end, limits)
    }

    fn begin_body(
        &mut self,
        head: Head,
        input: &[u8],
        start: usize,
        limits: &RequestLimits,
    ) -> Result<(usize, Decoded), RequestError> {
        let framing = match head.framing {
            Framing::Length(0) => return Ok((start, Decoded::Request(head.request))),
            Framing::Length(len) => match checked_length(len, limits) {
                Ok(len) => BodyFraming::Length(len),
                Err(error) => return Err(error.of_request(&head.request)),
            },
            Framing::Chunked => BodyFraming::Chunked(ChunkedDecoder::new()),
        };
        let body = Box::new(PartialBody { request: head.request, framing });
        if head.expects_continue {
            self.state = ParseState::Body(body);
            return Ok((start, Decoded::Continue));
        }
        self.continue_body(body, input, start, limits)
    }

    fn continue_body(
        &mut self,
        mut body: Box<PartialBody>,
        input: &[u8],
        start: usize,
        limits: &RequestLimits,
    ) -> Result<(usize, Decoded), RequestError> {
        let bytes = &mut body.request.body;
        let len = match &mut body.framing {
            BodyFraming::Length(len) => append_until(bytes, &input[start..], *len),
            BodyFraming::Chunked(decoder) => match decoder.decode(&input[start..], bytes, limits) {
                Ok(len) => len,
                Err(error) => return Err(error.of_request(&body.request)),
            },
        };
        let Some(len) = len else {
            self.state = ParseState::Body(body);
            return Ok((input.len(), Decoded::NeedMore));
        };
        Ok((start + len, Decoded::Request(body.request)))
    }
}

impl Default for RequestDecoder {
    fn default() -> Self {
        Self::new()
    }
}

impl ParseState {
    const IDLE: Self = Self::Idle { blank_lines: 0, after_cr: false };
}

fn checked_length(len: u64, limits: &RequestLimits) -> Result<usize, RequestError> {
    let within = usize::try_from(len).ok().filter(|&len| len <= limits.body_bytes);
    within.ok_or_else(|| {
        RequestError::too_large(413, format!("the body is longer than {} bytes", limits.body_bytes))
    })
}

/// Appends what is missing of `final_len` bytes. Gives how much of `input` was taken if nothing is missing now.
fn append_until(bytes: &mut Vec<u8>, input: &[u8], final_len: usize) -> Option<usize> {
    let len = input.len().min(final_len - bytes.len());
    append_bounded(bytes, &input[..len], final_len);
    (bytes.len() == final_len).then_some(len)
}
