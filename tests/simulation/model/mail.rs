//! Messages that have not run yet: a plain list.

use std::sync::Arc;

use super::super::game::{Step, Tell};

#[derive(Clone, Default)]
pub(super) struct Mail {
    pending: Vec<Pending>,
    told: u64,
}

#[derive(Clone)]
struct Pending {
    /// Rooms; empty for none.
    from: String,
    to: String,
    due_ms: u64,
    /// Counts what is told.
    number: u64,
    name: Option<&'static str>,
    message: Arc<Message>,
}

/// What a message says.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) id: String,
    pub(super) steps: Vec<Step>,
    /// The room to which it is to be told, of a message to no room.
    passed_to: Option<String>,
}

impl Mail {
    pub(super) fn len(&self) -> usize {
        self.pending.len()
    }

    /// A room tells another one something, as a step of an input says.
    pub(super) fn tell(&mut self, from: &str, id: String, tell: &Tell, unix_ms: u64) {
        let passed_to = tell.is_passed.then(|| tell.to.clone());
        let to = if tell.is_passed { "" } else { &tell.to };
        let message = Message { id, steps: tell.steps.clone(), passed_to };
        if let Some(name) = tell.name {
            self.pending.retain(|known| (&*known.from, &*known.to, known.name) != (from, to, Some(name)));
        }
        self.push(from, to, unix_ms + tell.after_ms.unwrap_or(0), tell.name, message);
    }

    /// A message that is due at once.
    pub(super) fn tell_at_once(&mut self, from: &str, to: &str, id: &str, steps: Vec<Step>, unix_ms: u64) {
        let message = Message { id: id.to_owned(), steps, passed_to: None };
        self.push(from, to, unix_ms, None, message);
    }

    fn push(&mut self, from: &str, to: &str, due_ms: u64, name: Option<&'static str>, message: Message) {
        self.told += 1;
        self.pending.push(Pending {
            from: from.to_owned(),
            to: to.to_owned(),
            due_ms,
            number: self.told,
            name,
            message: Arc::new(message),
        });
    }

    /// Whether there was any.
    pub(super) fn cancel(&mut self, from: &str, name: &str) -> bool {
        let before = self.len();
        self.pending.retain(|known| (&*known.from, known.name) != (from, Some(name)));
        self.len() < before
    }

    /// Takes what is to run next of what a receiver has due, and says when that was.
    pub(super) fn take_next(&mut self, to: &str, unix_ms: u64) -> Option<(Arc<Message>, u64)> {
        let due =
            self.pending.iter().enumerate().filter(|(_, known)| known.to == to && known.due_ms <= unix_ms);
        let (place, _) = due.min_by_key(|(_, known)| (known.due_ms, known.number))?;
        let Pending { message, due_ms, .. } = self.pending.remove(place);
        Some((message, due_ms))
    }

    /// What a message to no room does.
    pub(super) fn pass_on(&mut self, message: &Message, unix_ms: u64) {
        let to = message.passed_to.as_deref().expect("nothing else is told to no room");
        self.tell_at_once("", to, &message.id, message.steps.clone(), unix_ms);
    }

    /// To whom something should have run by then.
    pub(super) fn overdue(&self, unix_ms: u64) -> Option<&str> {
        self.pending.iter().find(|known| known.due_ms < unix_ms).map(|known| known.to.as_str())
    }
}
