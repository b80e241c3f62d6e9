//! Clients that never give up: they notice a dead connection, come back, and send again what has no answer.

use super::Worker;
use super::coming::ROOM_CLOSED;
use crate::client::codec::Opcode;
use crate::client::connection::Ended;
use crate::load::schedule::Task;
use crate::measure::window::Window;
use crate::sys::monotonic_ns;

/// The first wait before a return; each that fails doubles it, up to the longest.
const FIRST_WAIT_MS: u64 = 200;
const LONGEST_WAIT_MS: u64 = 800;
/// A refused input is sent again after about this.
const RESEND_NS: f64 = 200e6;
/// Codes with which a server closes in trouble, or by what trouble does: it stops, it failed, a pong was late, the store has
/// lost the room.
const TROUBLE: [u16; 4] = [1001, 1011, 4004, ROOM_CLOSED];

impl<R: FnMut(Window)> Worker<R> {
    /// The welcome has come: what has no answer goes out before anything new.
    pub(super) fn persist(&mut self, index: usize) {
        let Some(persistence) = self.plan.persistence else { return };
        self.resend(index);
        let wait_ns = (persistence.heartbeat_ms as f64 * 1e6 * self.random.unit()) as u64;
        self.plan_once(index, Task::Heartbeat, wait_ns);
    }

    pub(super) fn expect_welcome(&mut self, index: usize) {
        if let Some(persistence) = self.plan.persistence {
            self.plan_once(index, Task::Unwelcome, persistence.silence_ms * 1_000_000);
        }
    }

    /// A connection was lost: back after a moment, or a while.
    pub(super) fn come_back(&mut self, index: usize, tries: u32) {
        let wait_ms = LONGEST_WAIT_MS.min(FIRST_WAIT_MS << tries.min(8));
        let wait_ns = (wait_ms as f64 * 1e6 * (0.5 + 0.5 * self.random.unit())) as u64;
        let task = if tries == 0 { Task::Return } else { Task::Retry };
        self.plan_once(index, task, wait_ns);
    }

    /// Whether trouble may end a connection so.
    pub(super) fn is_trouble(ended: &Ended) -> bool {
        match ended {
            Ended::Gone(_) => true,
            Ended::Closed(code) => code.is_some_and(|code| TROUBLE.contains(&code)),
            Ended::Refused(_) | Ended::BadFrame(_) => false,
        }
    }

    /// Takes up a new input, and sends it unless others must go first.
    pub(super) fn write_numbered(&mut self, index: usize, due_ns: u64, out: &mut Vec<u8>) {
        let client = &mut self.clients[index];
        let Some(numbered) = &mut client.expected.numbered else { return };
        if let Some(n) = numbered.add(due_ns).filter(|_| numbered.may_send()) {
            self.frame_numbered(index, n, out);
        }
    }

    fn frame_numbered(&mut self, index: usize, n: u32, out: &mut Vec<u8>) {
        let client = &mut self.clients[index];
        let epoch = client.expected.position().map(|position| position.epoch);
        let (Some(numbered), Some(connection)) = (&mut client.expected.numbered, &mut client.connection)
        else {
            return;
        };
        numbered.sent(n, epoch);
        self.text.clear();
        self.writer.write_numbered(n, &mut self.text);
        connection.frame(Opcode::Text, &self.text, out);
    }

    /// After something was read: a refusal has to be followed by another try.
    pub(super) fn look_for_refusals(&mut self, index: usize) {
        let client = &mut self.clients[index];
        let refused = client.expected.numbered.as_ref().is_some_and(|numbered| !numbered.may_send());
        if refused && client.expected.is_playing() && !client.resends {
            client.resends = true;
            let wait_ns = (RESEND_NS * (0.5 + self.random.unit())) as u64;
            self.plan_once(index, Task::Resend, wait_ns);
        }
    }

    pub(super) fn resend(&mut self, index: usize) {
        let client = &mut self.clients[index];
        client.resends = false;
        let Some(numbered) = client.expected.numbered.as_mut().filter(|_| client.connection.is_some()) else {
            return;
        };
        let waiting = numbered.resend();
        let mut out = Vec::new();
        for n in &waiting {
            self.frame_numbered(index, *n, &mut out);
        }
        self.send(index, &out);
        self.window.group_mut(self.clients[index].group).resent += waiting.len() as u64;
    }

    fn send(&mut self, index: usize, bytes: &[u8]) {
        let client = &mut self.clients[index];
        let Some(connection) = &mut client.connection else { return };
        // If this fails, the reading side finds the close frame that may explain it.
        let sent = connection.send(bytes).unwrap_or(0);
        self.window.group_mut(client.group).bytes_out += sent as u64;
    }

    pub(super) fn beat(&mut self, index: usize) {
        let Some(persistence) = self.plan.persistence else { return };
        let now_ns = monotonic_ns();
        let client = &mut self.clients[index];
        if !client.expected.is_playing() || client.leaving_for_ns.is_some() {
            return;
        }
        match client.expected.heartbeat.unanswered_ns(now_ns) {
            Some(silent_ns) if silent_ns > persistence.silence_ms * 1_000_000 => {
                return self.give_up(index, "silent");
            }
            None if !client.paused => {
                let message = client.expected.heartbeat.ask(now_ns);
                let mut out = Vec::new();
                if let Some(connection) = &mut client.connection {
                    connection.frame(Opcode::Text, message.as_bytes(), &mut out);
                }
                self.send(index, &out);
            }
            _ => {}
        }
        self.plan_once(index, Task::Heartbeat, persistence.heartbeat_ms * 1_000_000);
    }

    pub(super) fn unwelcome(&mut self, index: usize) {
        if !self.clients[index].expected.is_playing() {
            self.give_up(index, "no welcome");
        }
    }

    /// The client ends a connection of which it hears nothing, and tries another.
    fn give_up(&mut self, index: usize, reason: &str) {
        let client = &self.clients[index];
        let (playing, tries) = (client.expected.is_playing(), client.tries);
        let counts = self.window.group_mut(client.group);
        let ends = if playing { &mut counts.closes } else { &mut counts.failures };
        *ends.entry(reason.to_owned()).or_default() += 1;
        self.part(index);
        self.come_back(index, if playing { 0 } else { tries });
    }
}
