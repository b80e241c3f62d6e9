//! Changes of lists.

use std::ops::Range;

use crate::keyspace::list::List;
use crate::keyspace::small_bytes::SmallBytes;

use super::Change;

/// How to undo a change of a list.
#[derive(Debug)]
pub(crate) enum ListEdit {
    /// An element was added at the front.
    PushedFront,
    /// An element was added at the back.
    PushedBack,
    /// This element was taken from the front.
    PoppedFront(SmallBytes),
    /// This element was taken from the back.
    PoppedBack(SmallBytes),
    /// The element at the index was this.
    Replaced(usize, SmallBytes),
    /// An element was put in at the index.
    Inserted(usize),
    /// These were at their indices, which ascend, and were removed at once.
    Removed(Box<[(usize, SmallBytes)]>),
    /// These were cut off at the front and at the back.
    Trimmed(Box<[Vec<SmallBytes>; 2]>),
}

impl ListEdit {
    /// How many elements it keeps.
    pub(crate) fn elements(&self) -> usize {
        match self {
            Self::Removed(removed) => removed.len(),
            Self::Trimmed(cut) => cut[0].len() + cut[1].len(),
            _ => 1,
        }
    }
}

impl Change<'_, List> {
    /// Adds an element at the front.
    pub(crate) fn push_front(&mut self, element: SmallBytes) {
        self.value.push_front(element);
        self.record(ListEdit::PushedFront, 0);
    }

    /// Adds an element at the back.
    pub(crate) fn push_back(&mut self, element: SmallBytes) {
        self.value.push_back(element);
        self.record(ListEdit::PushedBack, 0);
    }

    /// Takes the first element.
    pub(crate) fn pop_front(&mut self) -> Option<SmallBytes> {
        let popped = self.value.pop_front()?;
        if self.log.is_some() {
            self.record(ListEdit::PoppedFront(popped.clone()), popped.heap_len());
        }
        self.value.shrink();
        Some(popped)
    }

    /// Takes the last element.
    pub(crate) fn pop_back(&mut self) -> Option<SmallBytes> {
        let popped = self.value.pop_back()?;
        if self.log.is_some() {
            self.record(ListEdit::PoppedBack(popped.clone()), popped.heap_len());
        }
        self.value.shrink();
        Some(popped)
    }

    /// Puts an element in the place of another.
    pub(crate) fn replace(&mut self, index: usize, element: SmallBytes) {
        let before = self.value.replace(index, element);
        let kept_bytes = before.heap_len();
        self.record(ListEdit::Replaced(index, before), kept_bytes);
    }

    /// Puts an element in before the one at the index.
    pub(crate) fn insert(&mut self, index: usize, element: SmallBytes) {
        self.value.insert(index, element);
        self.record(ListEdit::Inserted(index), 0);
    }

    /// Removes the elements that `is_removed` holds for, which is asked once for each from first to last; how many.
    pub(crate) fn remove_where(&mut self, mut is_removed: impl FnMut(&SmallBytes) -> bool) -> usize {
        let (mut index, mut removed) = (0, Vec::new());
        let len = self.value.len();
        let keeps = self.log.is_some();
        self.value.remove_where(|element| {
            let goes = is_removed(element);
            if goes && keeps {
                removed.push((index, std::mem::take(element)));
            }
            index += 1;
            goes
        });
        self.value.shrink();
        if !removed.is_empty() {
            let kept_bytes =
                removed.iter().map(|(_, element)| size_of::<(usize, SmallBytes)>() + element.heap_len());
            let kept_bytes = kept_bytes.sum();
            self.record(ListEdit::Removed(removed.into()), kept_bytes);
        }
        len - self.value.len()
    }

    /// Cuts off what is not in the range.
    pub(crate) fn trim(&mut self, kept: Range<usize>) {
        let [front, back] = self.value.cut(kept.start, kept.end);
        self.value.shrink();
        if self.log.is_some() && front.len() + back.len() > 0 {
            let cut = front.iter().chain(&back);
            let kept_bytes = cut.map(|element| size_of::<SmallBytes>() + element.heap_len()).sum();
            self.record(ListEdit::Trimmed(Box::new([front, back])), kept_bytes);
        }
    }
}

/// Undoes a list's last change.
pub(super) fn undo(list: &mut List, edit: ListEdit) {
    match edit {
        ListEdit::PushedFront => drop(list.pop_front()),
        ListEdit::PushedBack => drop(list.pop_back()),
        ListEdit::PoppedFront(element) => list.push_front(element),
        ListEdit::PoppedBack(element) => list.push_back(element),
        ListEdit::Replaced(index, element) => drop(list.replace(index, element)),
        ListEdit::Inserted(index) => drop(list.remove(index)),
        ListEdit::Removed(removed) => put_back(list, removed),
        ListEdit::Trimmed(cut) => {
            let [front, back] = *cut;
            front.into_iter().rev().for_each(|element| list.push_front(element));
            list.extend(back);
        }
    }
    list.shrink();
}

fn put_back(list: &mut List, removed: Box<[(usize, SmallBytes)]>) {
    let mut kept = list.take().into_iter();
    for (index, element) in removed {
        list.extend(kept.by_ref().take(index - list.len()));
        list.push_back(element);
    }
    list.extend(kept);
}
