//! What a process prints, to be waited for.

use std::fmt;
use std::io::Read;
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::Instant;

use crate::common::PATIENCE;

/// All that was printed so far. Clones share it.
#[derive(Clone, Default)]
pub struct Output(Arc<Shared>);

#[derive(Default)]
struct Shared {
    text: Mutex<String>,
    changed: Condvar,
}

impl Output {
    /// Takes what comes from a pipe, on a thread of its own, until the pipe ends; so does the thread then.
    pub fn follow(&self, mut pipe: impl Read + Send + 'static) -> JoinHandle<()> {
        let output = self.clone();
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(length @ 1..) = pipe.read(&mut buffer) {
                output.append(&String::from_utf8_lossy(&buffer[..length]));
            }
        })
    }

    fn append(&self, text: &str) {
        self.0.text.lock().unwrap().push_str(text);
        self.0.changed.notify_all();
    }

    /// All of it.
    pub fn text(&self) -> String {
        self.0.text.lock().unwrap().clone()
    }

    /// Waits until `find` finds something in the whole text.
    pub fn wait_for<T>(&self, what: &str, mut find: impl FnMut(&str) -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        let mut text = self.0.text.lock().unwrap();
        loop {
            if let Some(found) = find(&text) {
                return found;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                // Released first: the server prints the text, too, when it is dropped.
                let so_far = text.clone();
                drop(text);
                panic!("no {what} in:\n{so_far}");
            }
            text = self.0.changed.wait_timeout(text, left).unwrap().0;
        }
    }

    /// Waits for a line that has all of these parts.
    pub fn wait_for_line(&self, parts: &[&str]) -> String {
        self.wait_for(&format!("line with {parts:?}"), |text| {
            // The last line may still be growing.
            let complete = text.rsplit_once('\n')?.0;
            let has_all = |line: &&str| parts.iter().all(|part| line.contains(part));
            complete.lines().find(has_all).map(str::to_owned)
        })
    }
}

impl fmt::Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text())
    }
}
