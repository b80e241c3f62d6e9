//! A piece of JSON text that is copied once and then passed on.

use std::fmt;
use std::ops::{Deref, Range};
use std::sync::Arc;

/// A message's text, or a part of it. One allocation however many parts of it are held, which `Bytes` needs two for.
#[derive(Clone)]
pub struct SharedText(Text);

#[derive(Clone)]
enum Text {
    Static(&'static [u8]),
    /// `start` and `end` are in `whole`.
    Part {
        whole: Arc<[u8]>,
        start: u32,
        end: u32,
    },
}

impl SharedText {
    /// Text that is part of the program.
    pub const fn from_static(text: &'static str) -> Self {
        Self(Text::Static(text.as_bytes()))
    }

    /// A part of a message's text.
    pub fn part(whole: Arc<[u8]>, part: Range<usize>) -> Self {
        assert!(part.start <= part.end && part.end <= whole.len(), "a part lies within its whole");
        let position = |at: usize| u32::try_from(at).expect("a message is shorter than 4 GiB");
        Self(Text::Part { start: position(part.start), end: position(part.end), whole })
    }
}

impl From<Arc<[u8]>> for SharedText {
    fn from(whole: Arc<[u8]>) -> Self {
        let end = whole.len();
        Self::part(whole, 0..end)
    }
}

impl From<&[u8]> for SharedText {
    fn from(text: &[u8]) -> Self {
        Arc::<[u8]>::from(text).into()
    }
}

impl Deref for SharedText {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.0 {
            Text::Static(text) => text,
            Text::Part { whole, start, end } => &whole[*start as usize..*end as usize],
        }
    }
}

impl fmt::Debug for SharedText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&String::from_utf8_lossy(self), f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_share_the_text() {
        let whole: Arc<[u8]> = b"{\"payload\":[1]}".as_slice().into();
        let part = SharedText::part(whole.clone(), 11..14);
        assert_eq!(&*part, b"[1]");
        assert!(whole.as_ptr_range().contains(&part.as_ptr()));
        assert_eq!(&*SharedText::from(whole), b"{\"payload\":[1]}");
        assert_eq!(&*SharedText::from_static("null"), b"null");
    }

    #[test]
    fn it_is_as_small_as_its_part() {
        assert_eq!(size_of::<SharedText>(), size_of::<Arc<[u8]>>() + 8);
    }
}
