//! Playing: inputs go out when the timetable says, and what comes back is given to the room's judge.

use super::Worker;
use crate::check::{Name, View};
use crate::client::codec::Opcode;
use crate::client::connection::{Ended, Incoming};
use crate::load::schedule::{Due, Task};
use crate::measure::group::Group;
use crate::measure::window::{Violation, Window};
use crate::messages::traffic::Deed;
use crate::sys::monotonic_ns;

/// What is due is done in portions, so that answers are read and commands are heard in between, also by a tester that cannot keep up.
const TASKS_PER_ROUND: usize = 128;
const INPUTS_PER_WRITE: u64 = 8;

impl<R: FnMut(Window)> Worker<R> {
    /// Plans a client's first input and line of chat at its group's present rates, at a random point of their periods.
    pub(super) fn begin(&mut self, client: u32) {
        let group = &self.groups[self.clients[client as usize].group.index()];
        for (task, rate_hz) in [(Task::Act, group.inputs_hz), (Task::Chat, group.chat_hz)] {
            if rate_hz > 0.0 {
                let phase_ns = (self.random.unit() * 1e9 / rate_hz) as u64;
                let regular_ns = monotonic_ns() + phase_ns;
                let stamp = self.stamp(client as usize);
                self.schedule.push(Due { at_ns: regular_ns, regular_ns, client, task, stamp });
            }
        }
    }

    /// The entry that follows this one, a period later and with a jitter of its own.
    fn after(&mut self, due: &Due) -> Due {
        let group = &self.groups[self.clients[due.client as usize].group.index()];
        let rate_hz = if due.task == Task::Chat { group.chat_hz } else { group.inputs_hz };
        let period_ns = 1e9 / rate_hz;
        let regular_ns = due.regular_ns + period_ns as u64;
        let at_ns = regular_ns + (self.plan.jitter * self.random.unit() * period_ns) as u64;
        Due { at_ns, regular_ns, ..*due }
    }

    fn stamp(&self, index: usize) -> u32 {
        let client = &self.clients[index];
        client.life.wrapping_add(self.groups[client.group.index()].tempo)
    }

    pub(super) fn act_due(&mut self) {
        let mut out = Vec::new();
        for _ in 0..TASKS_PER_ROUND {
            let Some(due) = self.schedule.pop(monotonic_ns()) else { break };
            match due.task {
                Task::Act | Task::Chat if due.stamp == self.stamp(due.client as usize) => {
                    self.act(due, &mut out)
                }
                Task::Act | Task::Chat => {}
                _ if due.stamp == self.clients[due.client as usize].life => self.turn(due),
                _ => {}
            }
        }
    }

    /// Sends an input, and in the same write those of the same client that have become due meanwhile.
    fn act(&mut self, first: Due, out: &mut Vec<u8>) {
        let index = first.client as usize;
        if self.clients[index].connection.is_none() {
            return;
        }
        out.clear();
        let mut due = first;
        let mut count = 0;
        let now_ns = monotonic_ns();
        while due.at_ns <= now_ns && count < INPUTS_PER_WRITE {
            self.write_input(&due, out);
            count += 1;
            due = self.after(&due);
        }
        self.schedule.push(due);
        let client = &mut self.clients[index];
        let Some(connection) = &mut client.connection else { return };
        // If this fails, the reading side finds the close frame that may explain it.
        let sent = connection.send(out).unwrap_or(0);
        let counts = self.window.group_mut(client.group);
        counts.inputs += count;
        counts.bytes_out += sent as u64;
        self.window.lateness.record_ns(monotonic_ns() - first.at_ns);
    }

    fn write_input(&mut self, due: &Due, out: &mut Vec<u8>) {
        let client = &mut self.clients[due.client as usize];
        if client.expected.numbered.is_some() {
            return self.write_numbered(due.client as usize, due.at_ns, out);
        }
        let deed = match due.task {
            Task::Chat => Deed::Chat,
            _ if client.group == Group::Savers => Deed::Document,
            _ => Deed::Act,
        };
        self.text.clear();
        self.writer.write(deed, client.next_n, &mut self.text);
        if let Some(connection) = &mut client.connection {
            connection.frame(Opcode::Text, &self.text, out);
        }
        client.expected.sent(client.next_n, deed, due.at_ns);
        client.next_n = client.next_n.wrapping_add(1);
    }

    pub(super) fn ready(&mut self, index: usize, readable: bool, writable: bool) {
        if writable && let Some(connection) = &mut self.clients[index].connection {
            match connection.writable() {
                Ok(sent) => self.window.group_mut(self.clients[index].group).bytes_out += sent as u64,
                Err(error) if !connection.is_open() => return self.ended(index, Ended::Gone(error)),
                Err(_) => {}
            }
        }
        if readable {
            self.read(index);
        }
    }

    pub(super) fn read(&mut self, index: usize) {
        let client = &mut self.clients[index];
        if client.paused && client.expected.is_playing() {
            return;
        }
        let Some(connection) = &mut client.connection else { return };
        let now_ns = monotonic_ns();
        let was_playing = client.expected.is_playing();
        let room = &mut self.rooms[client.room as usize];
        let name = Name { user_id: &room.members[client.member as usize], room_id: &room.id };
        let window = &mut self.window;
        let mut view = View {
            name,
            group: client.group,
            now_ns,
            may_jump: self.plan.addressed_events,
            writer: &self.writer,
            window,
        };
        let (check, expected, member) = (&mut room.check, &mut client.expected, client.member);
        let mut bytes_in = 0;
        let each = |incoming: Incoming<'_>| {
            if let Incoming::Message(message) = incoming {
                check.receive(message, member, expected, &mut view);
            }
        };
        let result = connection.read(&mut self.buffer, each, &mut bytes_in);
        let playing = client.expected.is_playing();
        self.window.group_mut(client.group).bytes_in += bytes_in;
        if playing && !was_playing {
            self.joined(index, now_ns);
        }
        self.look_for_refusals(index);
        if let Err(ended) = result {
            self.ended(index, ended);
        }
    }

    pub(super) fn violation(&mut self, index: usize, kind: Violation, what: &str) {
        let client = &self.clients[index];
        let room = &self.rooms[client.room as usize];
        let name = Name { user_id: &room.members[client.member as usize], room_id: &room.id };
        self.window.violations.add(kind, || name.describe(what));
    }
}
