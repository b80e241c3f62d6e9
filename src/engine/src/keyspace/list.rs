//! Lists: elements from head to tail.

use std::collections::VecDeque;
use std::ops::Deref;

use super::memory::{HeapSize, block};
use super::small_bytes::SmallBytes;

/// Elements from head to tail. It is read as what it derefs to.
#[derive(Clone, Debug, Default)]
pub struct List {
    elements: VecDeque<SmallBytes>,
    /// What the elements have allocated.
    content_bytes: usize,
}

/// From so many elements on the list grows by an eighth at a time, not by doubling.
const MANY: usize = 64;

impl Deref for List {
    type Target = VecDeque<SmallBytes>;

    fn deref(&self) -> &Self::Target {
        &self.elements
    }
}

impl FromIterator<SmallBytes> for List {
    fn from_iter<I: IntoIterator<Item = SmallBytes>>(elements: I) -> Self {
        let elements: VecDeque<SmallBytes> = elements.into_iter().collect();
        let content_bytes = elements.iter().map(SmallBytes::heap_bytes).sum();
        Self { elements, content_bytes }
    }
}

impl Extend<SmallBytes> for List {
    fn extend<I: IntoIterator<Item = SmallBytes>>(&mut self, elements: I) {
        elements.into_iter().for_each(|element| self.push_back(element));
    }
}

impl List {
    /// Bytes allocated for the elements.
    pub fn allocated_bytes(&self) -> usize {
        block(self.elements.capacity() * size_of::<SmallBytes>()) + self.content_bytes
    }

    /// The same as [`List::allocated_bytes`], counted anew.
    pub(super) fn recount(&self) -> usize {
        let content: usize = self.elements.iter().map(SmallBytes::heap_bytes).sum();
        self.allocated_bytes() - self.content_bytes + content
    }

    /// Adds an element in front.
    pub fn push_front(&mut self, element: SmallBytes) {
        self.make_place();
        self.content_bytes += element.heap_bytes();
        self.elements.push_front(element);
    }

    /// Adds an element behind.
    pub fn push_back(&mut self, element: SmallBytes) {
        self.make_place();
        self.content_bytes += element.heap_bytes();
        self.elements.push_back(element);
    }

    /// Takes the first element.
    pub fn pop_front(&mut self) -> Option<SmallBytes> {
        let popped = self.elements.pop_front();
        self.note_gone(popped.as_ref());
        popped
    }

    /// Takes the last element.
    pub fn pop_back(&mut self) -> Option<SmallBytes> {
        let popped = self.elements.pop_back();
        self.note_gone(popped.as_ref());
        popped
    }

    /// Puts an element in the place of another, which it gives back.
    pub fn replace(&mut self, index: usize, element: SmallBytes) -> SmallBytes {
        self.content_bytes += element.heap_bytes();
        let before = std::mem::replace(&mut self.elements[index], element);
        self.note_gone(Some(&before));
        before
    }

    /// Puts an element in before the one at the index.
    pub fn insert(&mut self, index: usize, element: SmallBytes) {
        self.make_place();
        self.content_bytes += element.heap_bytes();
        self.elements.insert(index, element);
    }

    /// Takes the element at the index.
    pub fn remove(&mut self, index: usize) -> Option<SmallBytes> {
        let removed = self.elements.remove(index);
        self.note_gone(removed.as_ref());
        removed
    }

    /// Keeps the elements for which `is_removed` says false, and drops the others, of which it may take what is in them.
    pub(super) fn remove_where(&mut self, mut is_removed: impl FnMut(&mut SmallBytes) -> bool) {
        let mut gone_bytes = 0;
        self.elements.retain_mut(|element| {
            let bytes = element.heap_bytes();
            let goes = is_removed(element);
            gone_bytes += if goes { bytes } else { 0 };
            !goes
        });
        self.content_bytes -= gone_bytes;
    }

    /// Cuts off the elements before the first index and from the second on, and gives both.
    pub(super) fn cut(&mut self, start: usize, end: usize) -> [Vec<SmallBytes>; 2] {
        let back: Vec<_> = self.elements.drain(end..).collect();
        let front: Vec<_> = self.elements.drain(..start).collect();
        let gone_bytes: usize = front.iter().chain(&back).map(SmallBytes::heap_bytes).sum();
        self.content_bytes -= gone_bytes;
        [front, back]
    }

    /// All elements, which leaves an empty list.
    pub(super) fn take(&mut self) -> VecDeque<SmallBytes> {
        std::mem::take(self).elements
    }

    /// Gives memory back when most of it is unused.
    pub(super) fn shrink(&mut self) {
        if self.elements.capacity() > 32 && self.elements.len() < self.elements.capacity() / 4 {
            self.elements.shrink_to(self.elements.len() * 2);
        }
    }

    fn make_place(&mut self) {
        let capacity = self.elements.capacity();
        if self.elements.len() == capacity && capacity >= MANY {
            self.elements.reserve_exact(capacity / 8);
        }
    }

    fn note_gone(&mut self, element: Option<&SmallBytes>) {
        self.content_bytes -= element.map_or(0, SmallBytes::heap_bytes);
    }
}
