//! Coming and going: connections are made, refused, tried again, given up, cut.

use super::Worker;
use crate::client::codec::Opcode;
use crate::client::connection::{Connection, Dial, Ended};
use crate::client::handshake::{self, Refused, Request};
use crate::load::plan::Returns;
use crate::load::schedule::{Due, Task};
use crate::measure::group::Group;
use crate::measure::window::{Violation, Window};
use crate::sys::monotonic_ns;
use mio::{Interest, Token};
use std::io;

/// Connections are made in portions, so that those who play are served in between.
const CONNECTS_PER_ROUND: usize = 16;
/// A refused connection is tried again after this times the number of tries so far, at most `MAX_TRIES` times.
const RETRY_MS: u64 = 200;
const MAX_TRIES: u32 = 10;
/// With this code a server closes when it has lost the room's data.
pub(super) const ROOM_CLOSED: u16 = 4503;
/// With this code a server closes that stops.
const GOING_AWAY: u16 = 1001;
/// How long a server may take to answer a close frame.
const GOODBYE_NS: u64 = 5_000_000_000;

impl<R: FnMut(Window)> Worker<R> {
    pub(super) fn connect_due(&mut self) -> io::Result<()> {
        for which in Group::ALL {
            for _ in 0..CONNECTS_PER_ROUND {
                let group = &mut self.groups[which.index()];
                let may_join = group.may_join();
                let Some(joining) = group.joining.as_mut().filter(|_| may_join) else { break };
                let due_ns = joining.pace.next_ns();
                if due_ns > monotonic_ns() {
                    break;
                }
                let clients = &self.clients;
                let away = |client: &u32| clients[*client as usize].is_away();
                match group.clients[joining.cursor..].iter().position(away) {
                    None => group.joining = None,
                    Some(ahead) => {
                        let client = group.clients[joining.cursor + ahead];
                        joining.cursor += ahead + 1;
                        joining.remaining -= 1;
                        joining.pace.advance();
                        self.clients[client as usize].tries = 0;
                        self.clients[client as usize].due_ns = due_ns;
                        self.connect(client)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn connect(&mut self, index: u32) -> io::Result<()> {
        self.choose_server(index as usize);
        let client = &mut self.clients[index as usize];
        let server = &self.plan.servers[client.server];
        let room = &self.rooms[client.room as usize];
        let key = handshake::key(self.random.bits());
        let mut request = Vec::new();
        let position = client.expected.position().filter(|_| self.plan.resume);
        let since = position.map(|position| (room.check.epoch(position.epoch), position.seq));
        let compress = self.plan.compress;
        Request { host: &server.host, token: &client.token, game_id: &room.id, since, key: &key, compress }
            .write(&mut request);
        let sources = &self.plan.sources;
        let source = (!sources.is_empty()).then(|| sources[self.next_source % sources.len()]);
        self.next_source += 1;
        let slow = client.group == Group::Slow;
        let receive_buffer_bytes = self.plan.slow_receive_buffer_bytes.filter(|_| slow);
        let tls = self.tls[client.server].clone();
        let dial = Dial { target: server.address, source, receive_buffer_bytes, compress, tls };
        client.life = client.life.wrapping_add(1);
        client.tries += 1;
        client.expected.arrive(position, client.due_ns);
        client.leaving_for_ns = None;
        client.resends = false;
        client.paused = !self.groups[client.group.index()].reading;
        self.groups[client.group.index()].in_flight += 1;
        match Connection::open(&dial, request, key, self.random.bits()) {
            Ok(mut connection) => {
                let interest = Interest::READABLE | Interest::WRITABLE;
                self.poll.registry().register(&mut connection.stream, Token(index as usize), interest)?;
                client.connection = Some(connection);
                self.expect_welcome(index as usize);
            }
            Err(error) if error.raw_os_error() == Some(libc::EMFILE) => {
                return Err(io::Error::other(
                    "the limit on open files is reached: spread over more --processes",
                ));
            }
            Err(error) => self.ended(index as usize, Ended::Gone(error)),
        }
        Ok(())
    }

    /// Who was in the room before may go on by another server.
    fn choose_server(&mut self, index: usize) {
        let count = self.plan.servers.len();
        let client = &mut self.clients[index];
        if client.expected.position().is_none() {
            return;
        }
        match self.plan.returns {
            Returns::Same => {}
            // Once; what is tried again is tried at the same one.
            Returns::Next if client.tries == 0 => client.server = (client.server + 1) % count,
            Returns::Next => {}
            Returns::Any => client.server = self.random.below(count),
        }
    }

    /// The welcome has come: the client plays from now on.
    pub(super) fn joined(&mut self, index: usize, now_ns: u64) {
        let client = &mut self.clients[index];
        let group = &mut self.groups[client.group.index()];
        group.in_flight -= 1;
        group.connected += 1;
        let waited_ns = now_ns.saturating_sub(client.due_ns);
        self.window.group_mut(client.group).join.record_ns(waited_ns);
        self.persist(index);
        self.begin(index as u32);
    }

    /// Leaves without a word.
    pub(super) fn part(&mut self, index: usize) {
        let client = &mut self.clients[index];
        let Some(connection) = client.connection.take() else { return };
        connection.cut();
        self.gone(index);
    }

    /// Forgets a connection that is over.
    fn gone(&mut self, index: usize) {
        let client = &mut self.clients[index];
        let group = &mut self.groups[client.group.index()];
        match client.expected.is_playing() {
            true => group.connected -= 1,
            false => group.in_flight -= 1,
        }
        client.expected.leave();
        client.life = client.life.wrapping_add(1);
        client.connection = None;
    }

    /// The server or the network ended a connection.
    pub(super) fn ended(&mut self, index: usize, ended: Ended) {
        let client = &mut self.clients[index];
        if matches!(ended, Ended::Closed(Some(ROOM_CLOSED))) {
            client.expected.room_ended();
        }
        let (playing, leaving, group) = (client.expected.is_playing(), client.leaving_for_ns, client.group);
        let returning = client.expected.is_returning();
        if let Some(connection) = self.clients[index].connection.take()
            && !matches!(ended, Ended::Closed(_))
        {
            connection.cut();
        }
        self.gone(index);
        if let Some(away_ns) = leaving.filter(|_| !matches!(ended, Ended::BadFrame(_))) {
            return self.plan_once(index, Task::Return, away_ns);
        }
        let reason = match &ended {
            Ended::Closed(Some(code)) => code.to_string(),
            Ended::Closed(None) => "without a code".into(),
            Ended::Gone(error) => error.kind().to_string(),
            Ended::Refused(Refused::Status(status, None)) => format!("HTTP {status}"),
            Ended::Refused(Refused::Status(status, Some(message))) => format!("HTTP {status} ({message})"),
            Ended::Refused(Refused::Invalid(reason)) => {
                self.violation(index, Violation::BadHandshake, reason);
                (*reason).into()
            }
            Ended::BadFrame(bad) => {
                self.violation(index, Violation::BadFrame, bad.0);
                bad.0.into()
            }
        };
        if !playing {
            let counts = self.window.group_mut(group);
            *counts.failures.entry(reason).or_default() += 1;
            counts.refused_returns += u64::from(returning && matches!(ended, Ended::Refused(_)));
            return self.retry(index);
        }
        if group != Group::Slow && !matches!(ended, Ended::BadFrame(_)) && !self.is_expected(&ended) {
            self.violation(index, Violation::Disconnected, &reason);
        }
        *self.window.group_mut(group).closes.entry(reason).or_default() += 1;
        if self.plan.persistence.is_some() && self.finishing.is_none() {
            self.come_back(index, 0);
        }
    }

    /// Whether a connection may end so.
    fn is_expected(&self, ended: &Ended) -> bool {
        let restarts =
            self.plan.restarts && matches!(ended, Ended::Gone(_) | Ended::Closed(Some(GOING_AWAY)));
        restarts || self.plan.persistence.is_some() && Self::is_trouble(ended)
    }

    pub(super) fn retry(&mut self, index: usize) {
        let client = &self.clients[index];
        if self.plan.persistence.is_some() && self.finishing.is_none() {
            return self.come_back(index, client.tries);
        }
        if client.tries < MAX_TRIES && self.finishing.is_none() {
            let wait_ms = RETRY_MS * u64::from(client.tries);
            let wait_ns = (wait_ms as f64 * 1e6 * (0.5 + self.random.unit())) as u64;
            self.plan_once(index, Task::Retry, wait_ns);
        }
    }

    pub(super) fn plan_once(&mut self, index: usize, task: Task, wait_ns: u64) {
        let at_ns = monotonic_ns() + wait_ns;
        let stamp = self.clients[index].life;
        self.schedule.push(Due { at_ns, regular_ns: at_ns, client: index as u32, task, stamp });
    }

    pub(super) fn churn_due(&mut self) {
        for which in Group::ALL {
            loop {
                let group = &mut self.groups[which.index()];
                let now_ns = monotonic_ns();
                let Some(churn) = group.churn.as_mut().filter(|churn| churn.pace.next_ns() <= now_ns) else {
                    break;
                };
                churn.pace.advance();
                let away_ns = churn.away_ns;
                let client = group.clients[self.random.below(group.clients.len())] as usize;
                self.leave(client, away_ns);
            }
        }
    }

    /// Leaves as half of all players do: one says goodbye, the other pulls the plug.
    fn leave(&mut self, index: usize, away_ns: u64) {
        let client = &mut self.clients[index];
        if !client.expected.is_playing() || client.leaving_for_ns.is_some() {
            return;
        }
        let Some(connection) = &mut client.connection else { return };
        if self.random.bits() & 1 == 0 {
            self.part(index);
            return self.plan_once(index, Task::Return, away_ns);
        }
        let mut goodbye = Vec::new();
        connection.frame(Opcode::Close, &1000u16.to_be_bytes(), &mut goodbye);
        client.leaving_for_ns = Some(away_ns);
        client.life = client.life.wrapping_add(1);
        // If this fails, the reading side hears of it.
        let _ = connection.send(&goodbye);
        self.plan_once(index, Task::Overdue, GOODBYE_NS);
    }

    /// The time for a connection has come (again), or that for the answer to a goodbye is over.
    pub(super) fn turn(&mut self, due: Due) {
        let index = due.client as usize;
        match due.task {
            Task::Overdue => {
                if self.plan.persistence.is_none() {
                    self.violation(index, Violation::Disconnected, "a close frame was not answered in time");
                }
                let away_ns = self.clients[index].leaving_for_ns.unwrap_or_default();
                self.part(index);
                return self.plan_once(index, Task::Return, away_ns);
            }
            Task::Return => {
                self.clients[index].due_ns = due.at_ns;
                self.clients[index].tries = 0;
            }
            Task::Unwelcome => return self.unwelcome(index),
            Task::Heartbeat => return self.beat(index),
            Task::Resend => return self.resend(index),
            Task::Retry | Task::Act | Task::Chat => {}
        }
        if self.clients[index].is_away()
            && self.finishing.is_none()
            && let Err(error) = self.connect(due.client)
        {
            self.ended(index, Ended::Gone(error));
        }
    }
}
