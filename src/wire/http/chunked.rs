//! The chunked transfer coding (RFC 9112 section 7.1), decoded as bytes come.

use httparse::{EMPTY_HEADER, Status};

use super::head::BlockScanner;
use super::{RequestError, RequestLimits};
use crate::wire::buffer::append_bounded;

/// Bytes that the chunk extensions of one body may take altogether. Nobody uses them, so they are only endured.
const MAX_EXTENSION_BYTES: usize = 1024;
/// Hex digits of a chunk's size: 16 are the most that 64 bits hold.
const MAX_SIZE_DIGITS: u8 = 16;

/// Where in a chunked body the decoder stands.
#[derive(Debug)]
pub(super) struct ChunkedDecoder {
    state: ChunkState,
    extension_bytes: usize,
}

#[derive(Debug)]
enum ChunkState {
    /// In the hex digits of a chunk's size.
    Size {
        value: u64,
        digits: u8,
    },
    /// In white space after the size, which only an extension may follow.
    BeforeExtension {
        size: u64,
    },
    /// After the first `;` of a size line.
    Extension {
        size: u64,
    },
    /// The size line's CR has come.
    SizeLineFeed {
        size: u64,
    },
    /// So many bytes of the chunk are still to come.
    Data {
        left: u64,
    },
    /// After the chunk's data.
    DataCarriageReturn,
    DataLineFeed,
    /// After the last chunk.
    Trailers(Box<Trailers>),
}

#[derive(Debug)]
struct Trailers {
    scanner: BlockScanner,
    bytes: Vec<u8>,
}

impl ChunkedDecoder {
    pub(super) fn new() -> Self {
        Self { state: ChunkState::Size { value: 0, digits: 0 }, extension_bytes: 0 }
    }

    /// Appends to `body` what `input` holds of it. Gives where the request ends in `input`, or none if it goes on.
    pub(super) fn decode(
        &mut self,
        input: &[u8],
        body: &mut Vec<u8>,
        limits: &RequestLimits,
    ) -> Result<Option<usize>, RequestError> {
        let mut at = 0;
        while at < input.len() {
            at += match &mut self.state {
                ChunkState::Data { left } => {
                    let available = input.len() - at;
                    let len = usize::try_from(*left).map_or(available, |left| left.min(available));
                    append_bounded(body, &input[at..at + len], limits.body_bytes);
                    *left -= len as u64;
                    if *left == 0 {
                        self.state = ChunkState::DataCarriageReturn;
                    }
                    len
                }
                ChunkState::Trailers(trailers) => {
                    return Ok(trailers.read(&input[at..], limits)?.map(|end| at + end));
                }
                _ => {
                    self.read_line_byte(input[at], body.len(), limits)?;
                    1
                }
            };
        }
        Ok(None)
    }

    /// Memory held for trailers.
    pub(super) fn held_bytes(&self) -> usize {
        match &self.state {
            ChunkState::Trailers(trailers) => trailers.bytes.capacity(),
            _ => 0,
        }
    }

    fn read_line_byte(
        &mut self,
        byte: u8,
        body_bytes: usize,
        limits: &RequestLimits,
    ) -> Result<(), RequestError> {
        self.state = match (&self.state, byte) {
            (ChunkState::Size { value, digits }, byte) if byte.is_ascii_hexdigit() => {
                ChunkState::Size { value: add_digit(*value, *digits, byte)?, digits: digits + 1 }
            }
            (ChunkState::Size { digits: 0, .. }, _) => {
                return Err(RequestError::bad_request("a chunk without a size"));
            }
            (&ChunkState::Size { value: size, .. } | &ChunkState::Extension { size }, b'\r') => {
                ChunkState::SizeLineFeed { size }
            }
            (&ChunkState::Size { value: size, .. } | &ChunkState::BeforeExtension { size }, b';') => {
                ChunkState::Extension { size }
            }
            (&ChunkState::Size { value: size, .. } | &ChunkState::BeforeExtension { size }, b' ' | b'\t') => {
                self.count_extension_byte()?;
                ChunkState::BeforeExtension { size }
            }
            (&ChunkState::Extension { size }, b'\t' | b' '..=126 | 128..) => {
                self.count_extension_byte()?;
                ChunkState::Extension { size }
            }
            (&ChunkState::SizeLineFeed { size }, b'\n') => begin_chunk(size, body_bytes, limits)?,
            (ChunkState::DataCarriageReturn, b'\r') => ChunkState::DataLineFeed,
            (ChunkState::DataLineFeed, b'\n') => ChunkState::Size { value: 0, digits: 0 },
            _ => return Err(RequestError::bad_request("a malformed chunk")),
        };
        Ok(())
    }

    fn count_extension_byte(&mut self) -> Result<(), RequestError> {
        self.extension_bytes += 1;
        if self.extension_bytes > MAX_EXTENSION_BYTES {
            return Err(RequestError::too_large(413, "too many chunk extensions"));
        }
        Ok(())
    }
}

impl Trailers {
    /// Trailers are checked and dropped: nothing here uses one.
    fn read(&mut self, input: &[u8], limits: &RequestLimits) -> Result<Option<usize>, RequestError> {
        let end = self.scanner.scan(input, limits)?;
        append_bounded(&mut self.bytes, &input[..end.unwrap_or(input.len())], limits.head_bytes);
        if end.is_some() {
            let mut headers = vec![EMPTY_HEADER; limits.headers];
            let parsed = httparse::parse_headers(&self.bytes, &mut headers);
            if !matches!(parsed, Ok(Status::Complete((len, _))) if len == self.bytes.len()) {
                return Err(RequestError::bad_request("a malformed trailer"));
            }
        }
        Ok(end)
    }
}

fn add_digit(value: u64, digits: u8, byte: u8) -> Result<u64, RequestError> {
    match char::from(byte).to_digit(16) {
        Some(digit) if digits < MAX_SIZE_DIGITS => Ok(value << 4 | u64::from(digit)),
        _ => Err(RequestError::bad_request("a chunk's size has too many digits")),
    }
}

fn begin_chunk(size: u64, body_bytes: usize, limits: &RequestLimits) -> Result<ChunkState, RequestError> {
    if size == 0 {
        return Ok(ChunkState::Trailers(Box::new(Trailers {
            scanner: BlockScanner::trailers(),
            bytes: Vec::new(),
        })));
    }
    if size > limits.body_bytes.saturating_sub(body_bytes) as u64 {
        return Err(RequestError::too_large(
            413,
            format!("the body is longer than {} bytes", limits.body_bytes),
        ));
    }
    Ok(ChunkState::Data { left: size })
}
