//! What goes over a client's connection: an answer to the upgrade, and then frames.

use std::io::Cursor;

use tungstenite::protocol::frame::FrameHeader;

/// Bytes that have come, and what they are so far.
#[derive(Default)]
pub(super) struct Frames {
    bytes: Vec<u8>,
    is_open: bool,
}

/// What a server says.
pub(super) enum Said {
    /// By an answer that is no upgrade.
    Refused,
    Upgraded,
    Text(Vec<u8>),
    Ping(Vec<u8>),
    Close(u16),
}

impl Frames {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend(bytes);
    }

    /// The next thing that has come whole.
    pub(super) fn next(&mut self) -> Option<Said> {
        if self.is_open { self.next_frame() } else { self.next_answer() }
    }

    fn next_answer(&mut self) -> Option<Said> {
        let end = self.bytes.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
        let head = String::from_utf8_lossy(&self.bytes[..end]).into_owned();
        if head.split(' ').nth(1) != Some("101") {
            return Some(Said::Refused);
        }
        self.bytes.drain(..end);
        self.is_open = true;
        Some(Said::Upgraded)
    }

    fn next_frame(&mut self) -> Option<Said> {
        let mut cursor = Cursor::new(&self.bytes[..]);
        let (header, length) = FrameHeader::parse(&mut cursor).expect("the server's frames are whole")?;
        let start = cursor.position() as usize;
        let end = start + length as usize;
        if self.bytes.len() < end {
            return None;
        }
        let payload = self.bytes[start..end].to_vec();
        self.bytes.drain(..end);
        Some(match u8::from(header.opcode) {
            8 => Said::Close(payload.get(..2).map_or(1005, |code| u16::from_be_bytes([code[0], code[1]]))),
            9 => Said::Ping(payload),
            _ => Said::Text(payload),
        })
    }
}

/// A frame as clients send it.
pub(super) fn masked(opcode: u8, payload: &[u8]) -> Vec<u8> {
    const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
    let mut frame = vec![0x80 | opcode];
    if payload.len() < 126 {
        frame.push(0x80 | payload.len() as u8);
    } else {
        frame.push(0x80 | 126);
        frame.extend((payload.len() as u16).to_be_bytes());
    }
    frame.extend(MASK);
    frame.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}
