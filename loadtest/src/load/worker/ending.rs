//! The end: the last answers are waited for, what is missing is judged, everything is closed.

use super::Worker;
use super::clients::Client;
use crate::client::codec::Opcode;
use crate::measure::window::{Violation, Window};
use crate::sys::monotonic_ns;

const FINISH_STEP_NS: u64 = 20_000_000;

impl<R: FnMut(Window)> Worker<R> {
    /// True when everything is over.
    pub(super) fn finish_due(&mut self) -> bool {
        let now_ns = monotonic_ns();
        let Some(finishing) = &mut self.finishing else { return false };
        if now_ns < finishing.next_look_ns {
            return false;
        }
        finishing.next_look_ns = now_ns + FINISH_STEP_NS;
        let waits = |client: &Client| {
            client.connection.is_some() && client.leaving_for_ns.is_none() && client.expected.is_waiting()
        };
        if now_ns < finishing.deadline_ns && self.clients.iter().any(waits) {
            return false;
        }
        self.judge_and_close();
        self.send_window(true);
        true
    }

    fn judge_and_close(&mut self) {
        for index in 0..self.clients.len() {
            self.take_ledger(index);
            let client = &mut self.clients[index];
            let Some(mut connection) = client.connection.take() else { continue };
            let (lost, missing_seq) = (client.expected.lost(), client.expected.missing_seq());
            let paused = client.paused;
            // A client that does not read cannot tell what came back.
            if lost > 0 && client.leaving_for_ns.is_none() && !paused {
                for _ in 0..lost {
                    self.violation(index, Violation::LostInput, "nothing came back");
                }
            }
            if let Some(seq) = missing_seq.filter(|_| !paused) {
                self.violation(
                    index,
                    Violation::Gap,
                    &format!("came back, and never got what is up to seq {seq}"),
                );
            }
            if connection.is_open() {
                let mut goodbye = Vec::new();
                connection.frame(Opcode::Close, &1000u16.to_be_bytes(), &mut goodbye);
                // Whoever is gone already needs no goodbye.
                let _ = connection.send(&goodbye);
            }
        }
        for room in &mut self.rooms {
            room.check.flush(&mut self.window);
        }
    }

    /// What must have become of a client's numbered inputs; each must have an answer by now.
    fn take_ledger(&mut self, index: usize) {
        let client = &self.clients[index];
        let Some(numbered) = &client.expected.numbered else { return };
        let room = &self.rooms[client.room as usize];
        let user_id = &room.members[client.member as usize];
        self.window.ledgers.push(numbered.ledger(&room.id, user_id, room.check.latest_epoch()));
        // Who does not read cannot tell what came back.
        let owed = if client.connection.is_some() && !client.paused { numbered.owed() } else { 0 };
        for _ in 0..numbered.waiting().max(owed as usize) {
            self.violation(index, Violation::LostInput, "no answer, however often it was sent");
        }
    }
}
