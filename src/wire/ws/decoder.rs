//! Messages out of a client's frames as they come (RFC 6455 sections 5 to 8).

use std::io::Cursor;
use std::ops::Range;
use std::str;

use tungstenite::protocol::frame::FrameHeader;
use tungstenite::protocol::frame::coding::{Control, Data, OpCode};

use super::close_code::{MESSAGE_TOO_BIG, PROTOCOL_ERROR};
use super::deflate::{Inflater, compressed_limit};
use super::event::{Event, NOT_UTF8, Violation, frame_event, violation_event};
use super::frame::MAX_CONTROL_PAYLOAD;
use super::mask::apply_mask;
use crate::wire::buffer::append_bounded;

/// Fragments of one message. An empty one costs the peer six bytes and counts towards no other limit.
pub const MAX_FRAGMENTS: u32 = 4096;

/// What one message may come to.
#[derive(Clone, Copy, Debug)]
pub struct MessageLimits {
    /// Bytes of its payload.
    pub bytes: usize,
    /// Fragments that it comes in.
    pub fragments: u32,
}

impl MessageLimits {
    /// So many bytes in [`MAX_FRAGMENTS`].
    pub const fn of_bytes(bytes: usize) -> Self {
        Self { bytes, fragments: MAX_FRAGMENTS }
    }

    /// So many bytes in however many fragments: for a peer that is trusted, as tests of conformance send many.
    pub const fn in_any_fragments(bytes: usize) -> Self {
        Self { bytes, fragments: u32::MAX }
    }

    /// How long a message's payload may be as it comes.
    fn payload_bytes(self, is_compressed: bool) -> usize {
        if is_compressed { compressed_limit(self.bytes) } else { self.bytes }
    }
}

/// A header with a 64-bit length and a masking key.
const MAX_HEADER: usize = 14;

/// Decodes one client's frames. Takes two words while no frame and no message is unfinished.
#[derive(Debug, Default)]
pub struct FrameDecoder {
    /// None between messages.
    partial: Option<Box<Partial>>,
}

/// What is kept of unfinished input, and that there is to be no more.
#[derive(Debug, Default)]
struct Partial {
    header: PartialHeader,
    /// The frame whose payload is coming. Then `header` is empty.
    frame: Option<Frame>,
    /// What has come of a control frame's payload.
    control: Vec<u8>,
    /// The fragments so far.
    message: Option<Message>,
    /// What the last event borrows; it is given back at the next call.
    lent: Option<Lent>,
    /// After a close frame or a violation: nothing more is decoded.
    closed: bool,
}

#[derive(Debug, Default)]
struct PartialHeader {
    bytes: [u8; MAX_HEADER],
    len: usize,
}

/// A frame whose header was read and found right.
#[derive(Clone, Copy, Debug)]
struct Frame {
    opcode: OpCode,
    is_final: bool,
    /// Whether it begins a compressed message.
    is_compressed: bool,
    mask: [u8; 4],
    len: usize,
    /// How much of the payload has come.
    received: usize,
}

#[derive(Debug)]
struct Message {
    is_text: bool,
    /// Whether the payload is to be decompressed when it is whole, and checked only then.
    is_compressed: bool,
    /// How many have come whole.
    fragments: u32,
    payload: Vec<u8>,
    /// How much of a text's payload is checked to be UTF-8. What is left is the start of one character.
    checked: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lent {
    Control,
    /// The control frame is the last that is decoded.
    Close,
    Message,
}

/// What a step through the input came to.
enum Step {
    /// The input is used up.
    NeedMore,
    /// A whole fragment, but not the last.
    Fragment,
    /// A whole frame lies in this range of the input, unmasked.
    InInput(Frame, Range<usize>),
    /// A whole control frame lies in [`Partial::control`].
    InControl(OpCode),
    /// A whole message lies in [`Partial::message`].
    InMessage,
}

impl FrameDecoder {
    /// A decoder right after the handshake.
    pub const fn new() -> Self {
        Self { partial: None }
    }

    /// Decodes up to one event and says how much of `input` is consumed. A frame that lies whole in the input is
    /// unmasked there and not copied.
    ///
    /// Call again with the rest until there is no event: then the whole input is consumed, and the memory of the last
    /// message is given back. A message of more bytes or fragments than `limits` allow is refused as
    /// soon as a header announces it, and a compressed one as soon as it has become too long.
    ///
    /// There is an `inflater` if the peer may compress its messages. It holds what such a message becomes.
    pub fn decode<'a>(
        &'a mut self,
        input: &'a mut [u8],
        limits: MessageLimits,
        inflater: Option<&'a mut Inflater>,
    ) -> (usize, Option<Event<'a>>) {
        self.release();
        let mut at = 0;
        let found = match self.step(input, &mut at, limits, inflater.is_some()) {
            Ok(Step::NeedMore) => return (input.len(), None),
            found => found,
        };
        let event = self.event(found, input, inflater.map(|inflater| (inflater, limits.bytes)));
        (at, Some(event))
    }

    /// Whether nothing is unfinished.
    pub fn is_idle(&self) -> bool {
        self.partial.as_ref().is_none_or(|partial| partial.closed)
    }

    /// Memory held for unfinished payloads.
    pub fn held_bytes(&self) -> usize {
        let Some(partial) = &self.partial else { return 0 };
        partial.control.capacity() + partial.message.as_ref().map_or(0, |message| message.payload.capacity())
    }

    /// Gives back the memory of the last event. Every call of [`FrameDecoder::decode`] does so first; a caller that
    /// stops when its input is used up, without having seen that there is no further event, must do it here.
    pub fn release(&mut self) {
        let Some(partial) = &mut self.partial else { return };
        match partial.lent.take() {
            Some(Lent::Control) => partial.control = Vec::new(),
            Some(Lent::Message) => partial.message = None,
            Some(Lent::Close) => return self.close(),
            None => return,
        }
        self.give_back();
    }

    fn step(
        &mut self,
        input: &mut [u8],
        at: &mut usize,
        limits: MessageLimits,
        inflates: bool,
    ) -> Result<Step, Violation> {
        if self.partial.as_ref().is_some_and(|partial| partial.closed) {
            return Ok(Step::NeedMore);
        }
        let opened_before = self.open_frame();
        let frame = match opened_before {
            Some(frame) => frame,
            None => match self.read_header(&input[*at..], at)? {
                Some((header, len)) => self.check_header(&header, len, limits, inflates)?,
                None => return Ok(Step::NeedMore),
            },
        };
        let start = *at;
        let end = start + (frame.len - frame.received).min(input.len() - start);
        *at = end;
        apply_mask(&mut input[start..end], frame.mask, frame.received);
        if opened_before.is_none() && end - start == frame.len && is_whole_event(&frame) {
            self.give_back();
            return Ok(Step::InInput(frame, start..end));
        }
        self.partial().absorb(frame, &input[start..end], limits)
    }

    fn open_frame(&mut self) -> Option<Frame> {
        self.partial.as_mut().and_then(|partial| partial.frame.take())
    }

    /// A header, at the start of the input or after what came before. Advances `at` past it.
    fn read_header(&mut self, input: &[u8], at: &mut usize) -> Result<Option<(FrameHeader, u64)>, Violation> {
        let held = self.partial.as_ref().map_or(0, |partial| partial.header.len);
        if held == 0 && input.is_empty() {
            return Ok(None);
        }
        if held == 0
            && let Some((header, len, header_len)) = parse_header(input)?
        {
            *at += header_len;
            return Ok(Some((header, len)));
        }
        self.partial().header.extend(input, at)
    }

    fn check_header(
        &self,
        header: &FrameHeader,
        len: u64,
        limits: MessageLimits,
        inflates: bool,
    ) -> Result<Frame, Violation> {
        let protocol_error = |reason| Err((PROTOCOL_ERROR, reason));
        let open_message = self.partial.as_ref().and_then(|partial| partial.message.as_ref());
        let may_be_compressed = inflates && matches!(header.opcode, OpCode::Data(Data::Text | Data::Binary));
        if (header.rsv1 && !may_be_compressed) || header.rsv2 || header.rsv3 {
            return protocol_error("reserved bits are set");
        }
        let Some(mask) = header.mask else { return protocol_error("the frame is not masked") };
        if len > i64::MAX as u64 {
            return protocol_error("the length has its highest bit set");
        }
        let held = match header.opcode {
            OpCode::Control(_) if !header.is_final => return protocol_error("a control frame is fragmented"),
            OpCode::Control(_) if len > MAX_CONTROL_PAYLOAD as u64 => {
                return protocol_error("a control frame is too long");
            }
            OpCode::Control(_) => 0,
            OpCode::Data(Data::Continue) => match open_message {
                Some(message) if message.fragments >= limits.fragments => {
                    return Err((MESSAGE_TOO_BIG, "the message has too many fragments"));
                }
                Some(message) => message.payload.len(),
                None => return protocol_error("a continuation without a message to continue"),
            },
            OpCode::Data(_) if open_message.is_some() => {
                return protocol_error("a new message within a fragmented one");
            }
            OpCode::Data(_) => 0,
        };
        let is_data = matches!(header.opcode, OpCode::Data(_));
        let is_compressed = header.rsv1 || open_message.is_some_and(|message| message.is_compressed);
        if is_data && len > limits.payload_bytes(is_compressed).saturating_sub(held) as u64 {
            return Err((MESSAGE_TOO_BIG, "the message is too long"));
        }
        // Fits: it is within a limit that is a usize.
        let len = len as usize;
        let (opcode, is_final) = (header.opcode, header.is_final);
        Ok(Frame { opcode, is_final, is_compressed: header.rsv1, mask, len, received: 0 })
    }

    /// Gives the stash back if nothing is left in it.
    fn give_back(&mut self) {
        self.partial.take_if(|partial| partial.is_empty());
    }

    fn close(&mut self) {
        self.partial = Some(Box::new(Partial { closed: true, ..Partial::default() }));
    }

    fn partial(&mut self) -> &mut Partial {
        self.partial.get_or_insert_default()
    }

    /// An inflater comes with the most that a message may become.
    fn event<'a>(
        &'a mut self,
        found: Result<Step, Violation>,
        input: &'a [u8],
        inflater: Option<(&'a mut Inflater, usize)>,
    ) -> Event<'a> {
        let found = match found {
            Ok(Step::InInput(frame, range)) if frame.is_compressed => {
                inflate(&input[range], inflater).and_then(|payload| frame_event(frame.opcode, payload))
            }
            Ok(Step::InInput(frame, range)) => frame_event(frame.opcode, &input[range]),
            Ok(Step::Fragment) => Ok(Event::Fragment),
            Ok(Step::InControl(opcode)) => return self.control_event(opcode),
            Ok(_) => return self.message_event(inflater),
            Err(violation) => Err(violation),
        };
        if matches!(found, Err(_) | Ok(Event::Close(_))) {
            self.close();
        }
        found.unwrap_or_else(violation_event)
    }

    fn control_event(&mut self, opcode: OpCode) -> Event<'_> {
        let partial = self.partial();
        let is_close = opcode == OpCode::Control(Control::Close);
        partial.lent = Some(if is_close { Lent::Close } else { Lent::Control });
        frame_event(opcode, &partial.control).unwrap_or_else(violation_event)
    }

    fn message_event<'a>(&'a mut self, inflater: Option<(&'a mut Inflater, usize)>) -> Event<'a> {
        let partial = self.partial();
        partial.lent = Some(Lent::Message);
        let message = partial.message.as_ref().expect("the step came from this message");
        if !message.is_compressed {
            return message.event();
        }
        let opcode = OpCode::Data(if message.is_text { Data::Text } else { Data::Binary });
        let event = inflate(&message.payload, inflater).and_then(|payload| frame_event(opcode, payload));
        if event.is_err() {
            partial.lent = Some(Lent::Close);
        }
        event.unwrap_or_else(violation_event)
    }
}

impl Partial {
    fn is_empty(&self) -> bool {
        !self.closed && self.header.len == 0 && self.frame.is_none() && self.message.is_none()
    }

    /// Keeps a piece of a frame's payload, already unmasked.
    fn absorb(&mut self, mut frame: Frame, bytes: &[u8], limits: MessageLimits) -> Result<Step, Violation> {
        let missing = frame.len - frame.received;
        let is_control = matches!(frame.opcode, OpCode::Control(_));
        if is_control {
            append_bounded(&mut self.control, bytes, frame.len);
        } else {
            let message = self.message.get_or_insert_with(|| Message::new(&frame));
            let final_len = message.payload.len() + missing;
            let most = limits.payload_bytes(message.is_compressed);
            let may_grow_to = if frame.is_final { final_len } else { final_len.max(most) };
            message.append(bytes, may_grow_to)?;
        }
        if bytes.len() < missing {
            frame.received += bytes.len();
            self.frame = Some(frame);
            return Ok(Step::NeedMore);
        }
        match &mut self.message {
            _ if is_control => Ok(Step::InControl(frame.opcode)),
            Some(message) if frame.is_final => message.check_end().map(|()| Step::InMessage),
            Some(message) => {
                message.fragments += 1;
                Ok(Step::Fragment)
            }
            None => unreachable!("a data frame is a part of a message"),
        }
    }
}

impl PartialHeader {
    /// Adds bytes until the header is whole. Advances `at` past those that it took.
    fn extend(&mut self, input: &[u8], at: &mut usize) -> Result<Option<(FrameHeader, u64)>, Violation> {
        let held = self.len;
        let taken = input.len().min(MAX_HEADER - held);
        self.bytes[held..held + taken].copy_from_slice(&input[..taken]);
        if let Some((header, len, header_len)) = parse_header(&self.bytes[..held + taken])? {
            self.len = 0;
            *at += header_len - held;
            return Ok(Some((header, len)));
        }
        self.len += taken;
        *at += taken;
        Ok(None)
    }
}

impl Message {
    fn new(first: &Frame) -> Self {
        Self {
            is_text: first.opcode == OpCode::Data(Data::Text),
            is_compressed: first.is_compressed,
            fragments: 0,
            payload: Vec::new(),
            checked: 0,
        }
    }

    fn is_checked_as_it_comes(&self) -> bool {
        self.is_text && !self.is_compressed
    }

    fn append(&mut self, bytes: &[u8], may_grow_to: usize) -> Result<(), Violation> {
        append_bounded(&mut self.payload, bytes, may_grow_to);
        if self.is_checked_as_it_comes() {
            self.checked += valid_prefix(&self.payload[self.checked..])?;
        }
        Ok(())
    }

    fn check_end(&self) -> Result<(), Violation> {
        if self.is_checked_as_it_comes() && self.checked < self.payload.len() {
            Err(NOT_UTF8)
        } else {
            Ok(())
        }
    }

    fn event(&self) -> Event<'_> {
        if self.is_text {
            Event::Text(str::from_utf8(&self.payload).expect("it was checked as it came"))
        } else {
            Event::Binary(&self.payload)
        }
    }
}

fn inflate<'a>(payload: &[u8], inflater: Option<(&'a mut Inflater, usize)>) -> Result<&'a [u8], Violation> {
    let (inflater, limit) = inflater.ok_or((PROTOCOL_ERROR, "compression was not agreed on"))?;
    inflater.inflate(payload, limit)
}

/// The header at the start of `bytes` with the payload's length and its own, or none if it is not whole.
fn parse_header(bytes: &[u8]) -> Result<Option<(FrameHeader, u64, usize)>, Violation> {
    let mut cursor = Cursor::new(bytes);
    let parsed = FrameHeader::parse(&mut cursor).map_err(|_| (PROTOCOL_ERROR, "the opcode is unknown"))?;
    let Some((header, len)) = parsed else { return Ok(None) };
    let header_len = cursor.position() as usize;
    if header_len != header.len(len) {
        return Err((PROTOCOL_ERROR, "the length is not written in the shortest way"));
    }
    Ok(Some((header, len, header_len)))
}

/// Whether a frame is an event by itself, rather than a part of a message.
fn is_whole_event(frame: &Frame) -> bool {
    match frame.opcode {
        OpCode::Control(_) => true,
        OpCode::Data(Data::Continue) => false,
        OpCode::Data(_) => frame.is_final,
    }
}

/// How much of `bytes` is whole characters, if the rest may become one.
fn valid_prefix(bytes: &[u8]) -> Result<usize, Violation> {
    match str::from_utf8(bytes) {
        Ok(_) => Ok(bytes.len()),
        Err(error) if error.error_len().is_none() => Ok(error.valid_up_to()),
        Err(_) => Err(NOT_UTF8),
    }
}
