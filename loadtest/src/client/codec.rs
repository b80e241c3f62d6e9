//! The client's side of RFC 6455 framing: masks what it sends, and refuses whatever a server must not send.
//! Bytes in, frames out: no sockets here. Written apart from the server's own code, so that it can find that code's mistakes.

/// What a frame is (RFC 6455, section 5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Opcode {
    /// Goes on with the message that came before.
    Continuation,
    /// Begins a text message.
    Text,
    /// Begins a binary message.
    Binary,
    Close,
    /// Asks for a pong.
    Ping,
    Pong,
}

impl Opcode {
    fn from_bits(bits: u8) -> Option<Self> {
        Some(match bits {
            0 => Self::Continuation,
            1 => Self::Text,
            2 => Self::Binary,
            8 => Self::Close,
            9 => Self::Ping,
            10 => Self::Pong,
            _ => return None,
        })
    }

    fn bits(self) -> u8 {
        match self {
            Self::Continuation => 0,
            Self::Text => 1,
            Self::Binary => 2,
            Self::Close => 8,
            Self::Ping => 9,
            Self::Pong => 10,
        }
    }

    /// Close, ping or pong.
    pub(super) fn is_control(self) -> bool {
        self.bits() >= 8
    }
}

/// One frame from the server, borrowed from the bytes that it came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Frame<'a> {
    /// The last frame of its message.
    pub fin: bool,
    /// Begins a message that is compressed (RFC 7692).
    pub compressed: bool,
    pub opcode: Opcode,
    /// Its content; a server's frames are not masked.
    pub payload: &'a [u8],
}

/// A frame that a server must not send. The text says why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BadFrame(pub &'static str);

/// Longest payload that is taken for a real one.
pub(super) const MAX_PAYLOAD_BYTES: u64 = 64 << 20;

/// Reads the frame at the front of `bytes`: the frame and its length, or `None` while it is not all there.
pub(super) fn decode(bytes: &[u8]) -> Result<Option<(Frame<'_>, usize)>, BadFrame> {
    let &[first, second, ref rest @ ..] = bytes else { return Ok(None) };
    let opcode = Opcode::from_bits(first & 0x0f).ok_or(BadFrame("an opcode that does not exist"))?;
    let fin = first & 0x80 != 0;
    let compressed = first & 0x40 != 0;
    if first & 0x30 != 0 || (compressed && !matches!(opcode, Opcode::Text | Opcode::Binary)) {
        return Err(BadFrame("a reserved bit without an extension"));
    }
    if second & 0x80 != 0 {
        return Err(BadFrame("a masked frame from a server"));
    }
    if opcode.is_control() && (!fin || second > 125) {
        return Err(BadFrame("a control frame in fragments or above 125 bytes"));
    }
    let Some((length, head)) = payload_length(second, rest)? else { return Ok(None) };
    let end = head + length;
    Ok(bytes.get(head..end).map(|payload| (Frame { fin, compressed, opcode, payload }, end)))
}

/// The payload's length and the header's.
fn payload_length(second: u8, rest: &[u8]) -> Result<Option<(usize, usize)>, BadFrame> {
    let (length, head) = match second {
        126 => match rest.first_chunk::<2>() {
            Some(bytes) => (u64::from(u16::from_be_bytes(*bytes)), 4),
            None => return Ok(None),
        },
        127 => match rest.first_chunk::<8>() {
            Some(bytes) => (u64::from_be_bytes(*bytes), 10),
            None => return Ok(None),
        },
        short => (u64::from(short), 2),
    };
    let minimal = match head {
        4 => length > 125,
        10 => length > 0xffff,
        _ => true,
    };
    if !minimal {
        return Err(BadFrame("a length in more bytes than it needs"));
    }
    if length > MAX_PAYLOAD_BYTES {
        return Err(BadFrame("a frame above 64 MiB"));
    }
    Ok(Some((length as usize, head)))
}

/// Appends one whole masked frame.
pub(crate) fn encode(out: &mut Vec<u8>, opcode: Opcode, payload: &[u8], mask: u32) {
    out.push(0x80 | opcode.bits());
    match payload.len() {
        length @ 0..=125 => out.push(0x80 | length as u8),
        length @ 126..=0xffff => {
            out.push(0x80 | 126);
            out.extend_from_slice(&(length as u16).to_be_bytes());
        }
        length => {
            out.push(0x80 | 127);
            out.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    let mask = mask.to_ne_bytes();
    out.extend_from_slice(&mask);
    let start = out.len();
    out.extend_from_slice(payload);
    apply_mask(&mut out[start..], mask);
}

/// Eight bytes at a time, since a tester at its limit spends its time here.
fn apply_mask(payload: &mut [u8], mask: [u8; 4]) {
    let [a, b, c, d] = mask;
    let wide = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let (words, rest) = payload.as_chunks_mut::<8>();
    words.iter_mut().for_each(|word| *word = (u64::from_ne_bytes(*word) ^ wide).to_ne_bytes());
    rest.iter_mut().zip([a, b, c, d, a, b, c]).for_each(|(byte, key)| *byte ^= key);
}

/// The content of a close frame: a code, if there is one, and a reason.
pub(super) fn close_code(payload: &[u8]) -> Result<Option<u16>, BadFrame> {
    match payload {
        [] => Ok(None),
        [_] => Err(BadFrame("a close frame with half a code")),
        [high, low, reason @ ..] => {
            let code = u16::from_be_bytes([*high, *low]);
            if std::str::from_utf8(reason).is_err() {
                return Err(BadFrame("a close reason that is not UTF-8"));
            }
            match code {
                1000..=1003 | 1007..=1014 | 3000..=4999 => Ok(Some(code)),
                _ => Err(BadFrame("a close code that must not be sent")),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A frame as a server writes it.
    fn server_frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let mut bytes = vec![first];
        match payload.len() {
            length @ 0..=125 => bytes.push(length as u8),
            length @ 126..=0xffff => {
                bytes.push(126);
                bytes.extend_from_slice(&(length as u16).to_be_bytes());
            }
            length => {
                bytes.push(127);
                bytes.extend_from_slice(&(length as u64).to_be_bytes());
            }
        }
        bytes.extend_from_slice(payload);
        bytes
    }

    #[test]
    fn frames_of_every_length_class_are_read_and_cut_ones_waited_for() {
        for length in [0, 1, 125, 126, 127, 0xffff, 0x1_0000, 70_000] {
            let payload = vec![b'x'; length];
            let bytes = server_frame(0x81, &payload);
            let expected = Frame { fin: true, compressed: false, opcode: Opcode::Text, payload: &payload };
            assert_eq!(decode(&bytes), Ok(Some((expected, bytes.len()))), "{length}");
            for cut in (0..bytes.len()).filter(|cut| *cut < 16 || *cut + 2 > bytes.len()) {
                assert_eq!(decode(&bytes[..cut]), Ok(None), "{length} cut at {cut}");
            }
        }
    }

    #[test]
    fn only_the_first_frame_is_taken() {
        let mut bytes = server_frame(0x01, b"ab");
        bytes.extend(server_frame(0x89, b"p"));
        let (frame, length) = decode(&bytes).unwrap().unwrap();
        assert_eq!(frame, Frame { fin: false, compressed: false, opcode: Opcode::Text, payload: b"ab" });
        let (frame, _) = decode(&bytes[length..]).unwrap().unwrap();
        assert_eq!(frame, Frame { fin: true, compressed: false, opcode: Opcode::Ping, payload: b"p" });
    }

    #[test]
    fn what_a_server_must_not_send_is_refused() {
        let check = |bytes: &[u8], reason: &'static str| assert_eq!(decode(bytes), Err(BadFrame(reason)));
        check(&[0x83, 0], "an opcode that does not exist");
        check(&[0xa1, 0], "a reserved bit without an extension");
        check(&[0xc9, 0], "a reserved bit without an extension");
        check(&[0x81, 0x80, 0, 0, 0, 0], "a masked frame from a server");
        check(&[0x09, 0], "a control frame in fragments or above 125 bytes");
        check(&[0x89, 126, 0, 126], "a control frame in fragments or above 125 bytes");
        check(&[0x81, 126, 0, 125], "a length in more bytes than it needs");
        check(&[0x81, 127, 0, 0, 0, 0, 0, 0, 0xff, 0xff], "a length in more bytes than it needs");
        check(&[0x81, 127, 1, 0, 0, 0, 0, 0, 0, 0], "a frame above 64 MiB");
    }

    #[test]
    fn what_is_sent_reads_as_it_was_once_unmasked() {
        for length in [0, 1, 7, 8, 9, 15, 125, 126, 0xffff, 0x1_0000] {
            let payload: Vec<u8> = (0..length).map(|i| i as u8).collect();
            let mut bytes = Vec::new();
            encode(&mut bytes, Opcode::Text, &payload, 0x1234_5678);
            assert_ne!(bytes[1] & 0x80, 0, "a client's frame is masked");
            let head = bytes.len() - length;
            let mask: [u8; 4] = bytes[head - 4..head].try_into().unwrap();
            let plain: Vec<u8> = bytes[head..].iter().zip(mask.iter().cycle()).map(|(b, k)| b ^ k).collect();
            assert_eq!(plain, payload, "{length}");
        }
    }

    #[test]
    fn close_codes() {
        let check = |payload: &[u8], expected: Result<Option<u16>, ()>| {
            assert_eq!(close_code(payload).map_err(drop), expected, "{payload:?}");
        };
        check(&[], Ok(None));
        check(&[3, 232], Ok(Some(1000)));
        check(b"\x0f\xa2slow_consumer", Ok(Some(4002)));
        check(&[3], Err(()));
        check(&[3, 236], Err(())); // 1004
        check(&[3, 237], Err(())); // 1005
        check(&[3, 238], Err(())); // 1006
        check(&[3, 232, 0xff], Err(()));
        check(&[0, 1], Err(()));
    }
}
