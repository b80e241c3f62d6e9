//! Changes of strings.

use crate::keyspace::small_bytes::SmallBytes;

use super::Change;

/// How to undo a change of a string.
#[derive(Debug)]
pub(crate) enum StringEdit {
    /// It was so long.
    Extended(usize),
    /// These bytes were at the offset; beyond the second number there was nothing.
    Overwritten(usize, usize, SmallBytes),
    /// It was this.
    Replaced(Vec<u8>),
}

impl Change<'_, Vec<u8>> {
    pub(crate) fn append(&mut self, more: &[u8]) {
        self.record(StringEdit::Extended(self.len()), 0);
        make_place(self.value, more.len());
        self.value.extend_from_slice(more);
    }

    /// The bytes from `offset` on, so many, to be changed; zeros fill what is not there.
    pub(crate) fn bytes_mut(&mut self, offset: usize, len: usize) -> &mut [u8] {
        let (end, before) = (offset + len, self.len());
        if self.log.is_some() {
            let kept = SmallBytes::new(&self.value[offset.min(before)..end.min(before)]);
            let kept_bytes = kept.heap_len();
            self.record(StringEdit::Overwritten(offset, before, kept), kept_bytes);
        }
        if before < end {
            make_place(self.value, end - before);
            self.value.resize(end, 0);
        }
        &mut self.value[offset..end]
    }

    /// Puts another text in its place.
    pub(crate) fn set(&mut self, text: Vec<u8>) {
        let before = std::mem::replace(self.value, text);
        let kept_bytes = before.capacity();
        self.record(StringEdit::Replaced(before), kept_bytes);
    }
}

/// Undoes a string's last change.
pub(super) fn undo(string: &mut Vec<u8>, edit: StringEdit) {
    match edit {
        StringEdit::Extended(len) => string.truncate(len),
        StringEdit::Overwritten(offset, len, bytes) => {
            if !bytes.is_empty() {
                string[offset..offset + bytes.len()].copy_from_slice(&bytes);
            }
            string.truncate(len);
        }
        StringEdit::Replaced(before) => *string = before,
    }
    if string.capacity() > SMALL && string.len() < string.capacity() / 2 {
        string.shrink_to_fit();
    }
}

/// From so many bytes on a string grows by an eighth at a time, not by doubling.
const SMALL: usize = 1024;

fn make_place(string: &mut Vec<u8>, more: usize) {
    if string.capacity() - string.len() < more {
        let spare = if string.len() < SMALL { string.len() } else { string.len() / 8 };
        string.reserve_exact(more + spare);
    }
}
