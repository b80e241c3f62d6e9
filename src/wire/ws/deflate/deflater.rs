//! Frames compressed, where it is worth it (RFC 7692, section 7.2.1).

use std::num::NonZeroU8;
use std::sync::OnceLock;

use bytes::Bytes;
use flate2::{Compress, Compression, FlushCompress};

use super::{DeflateWindow, TAIL};
use crate::wire::ws::frame::{compressed_header, whole_message};

/// Payloads below this are left as they are for many: they would hardly shrink.
const LEAST_FOR_MANY: usize = 192;
/// Payloads below this are left as they are for one member: the work is done for that one alone.
const LEAST_FOR_ONE: usize = 1024;

/// How hard to compress: 1, the fastest, to 9, the smallest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CompressionLevel(NonZeroU8);

/// What compression has come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Deflated {
    /// Frames, each counted once however many get it.
    pub frames: u64,
    /// Their bytes before.
    pub bytes_before: u64,
    /// Their bytes after.
    pub bytes_after: u64,
}

/// Compresses a thread's frames. Takes no memory before the first.
#[derive(Debug)]
pub struct Deflater {
    /// None if nothing is to be compressed.
    level: Option<CompressionLevel>,
    state: Option<Compress>,
    /// What the next frame is compressed into.
    buffer: Vec<u8>,
    done: Deflated,
}

/// A frame that many get: it is compressed when the first of them wants that, and for all of them.
#[derive(Debug)]
pub struct SharedFrame {
    plain: Bytes,
    /// The same as `plain` where that is as well.
    deflated: OnceLock<Bytes>,
}

impl CompressionLevel {
    /// 1 to 9.
    pub fn new(level: u8) -> Option<Self> {
        NonZeroU8::new(level).filter(|level| level.get() <= 9).map(Self)
    }
}

impl Deflater {
    /// A deflater of this level; without one, it leaves every frame as it is.
    pub fn new(level: Option<CompressionLevel>) -> Self {
        Self { level, state: None, buffer: Vec::new(), done: Deflated::default() }
    }

    /// A frame for one peer in the form in which it is sent: as it is if it is short, would not shrink, or is more than the
    /// peer's window holds. What is no whole message by itself comes back as it is, too.
    pub fn frame(&mut self, plain: Bytes, window: DeflateWindow) -> Bytes {
        match self.deflate(&plain, LEAST_FOR_ONE, window) {
            Some(deflated) => deflated,
            None => plain,
        }
    }

    /// What it has done since this was last asked.
    pub fn take_done(&mut self) -> Deflated {
        std::mem::take(&mut self.done)
    }

    fn deflate(&mut self, plain: &Bytes, least: usize, window: DeflateWindow) -> Option<Bytes> {
        let level = self.level.filter(|_| plain.len() >= least)?;
        let (opcode, payload) = whole_message(plain)?;
        if payload.len() < least || !window.holds(payload.len()) {
            return None;
        }
        let state =
            self.state.get_or_insert_with(|| Compress::new(Compression::new(level.0.get().into()), false));
        state.reset();
        self.buffer.clear();
        // What does not fit in here has not shrunk.
        self.buffer.reserve_exact(payload.len());
        state.compress_vec(payload, &mut self.buffer, FlushCompress::Sync).ok()?;
        let is_whole = state.total_in() == payload.len() as u64 && self.buffer.len() < self.buffer.capacity();
        let deflated = self.buffer.strip_suffix(TAIL).filter(|_| is_whole)?;
        let header = compressed_header(opcode, deflated.len());
        let frame = [&header[..], deflated].concat();
        if self.buffer.capacity() > KEPT_BYTES {
            self.buffer = Vec::new();
        }
        if frame.len() >= plain.len() {
            return None;
        }
        self.done.frames += 1;
        self.done.bytes_before += plain.len() as u64;
        self.done.bytes_after += frame.len() as u64;
        Some(frame.into())
    }
}

/// Memory that is kept from one frame to the next at most.
const KEPT_BYTES: usize = 64 * 1024;

impl SharedFrame {
    /// A whole frame.
    pub fn new(plain: Bytes) -> Self {
        Self { plain, deflated: OnceLock::new() }
    }

    /// A whole frame that is never compressed.
    pub fn always_plain(plain: Bytes) -> Self {
        Self { deflated: OnceLock::from(plain.clone()), plain }
    }

    /// As it is for those who did not agree on compression.
    pub fn plain(&self) -> &Bytes {
        &self.plain
    }

    /// As it is sent to a peer with this window. Nobody waits for another thread: at worst two compress the same.
    pub fn for_window(&self, window: Option<DeflateWindow>, deflater: &mut Deflater) -> &Bytes {
        match window {
            Some(window) if window.holds(self.plain.len()) => self.deflated(deflater),
            _ => &self.plain,
        }
    }

    /// As it is sent to those with the largest window.
    pub fn deflated(&self, deflater: &mut Deflater) -> &Bytes {
        if let Some(deflated) = self.deflated.get() {
            return deflated;
        }
        let deflated = deflater.deflate(&self.plain, LEAST_FOR_MANY, DeflateWindow::LARGEST);
        let deflated = deflated.unwrap_or_else(|| self.plain.clone());
        self.deflated.get_or_init(|| deflated)
    }
}
