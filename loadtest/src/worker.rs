//! One worker thread: an event loop that plays its share of the clients.
//!
//! It carries out commands, sends what the timetable says, reads what comes, and hands every message to the room's judge.

use crate::check::{Expectations, Name, RoomCheck, View};
use crate::codec::Opcode;
use crate::connection::{Connection, Dial, Ended, Incoming};
use crate::handshake::{self, Refused, Request};
use crate::plan::{Command, Group, Plan};
use crate::random::Random;
use crate::schedule::{Due, Pace, Schedule, Task};
use crate::sys::{self, monotonic_ns};
use crate::traffic::{Deed, Writer};
use crate::window::{Violation, Window};
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token, Waker};
use std::io;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

const WAKER: Token = Token(usize::MAX);
const TIMER: Token = Token(usize::MAX - 1);
/// What is due is done in portions, so that answers are read in between.
const TASKS_PER_ROUND: usize = 256;
const CONNECTS_PER_ROUND: usize = 64;
const READ_BUFFER_BYTES: usize = 256 << 10;
/// A refused connection is tried again after this times the number of tries so far, at most `MAX_TRIES` times.
const RETRY_MS: u64 = 200;
const MAX_TRIES: u32 = 10;
/// How long a server may take to answer a close frame.
const GOODBYE_NS: u64 = 5_000_000_000;
const FINISH_STEP_NS: u64 = 20_000_000;

/// A worker's address: commands go in here, windows come out of the channel given to [`start`].
#[derive(Clone)]
pub struct Handle {
    commands: Sender<Command>,
    waker: Arc<Waker>,
}

impl Handle {
    /// Tells the worker to do something.
    pub fn send(&self, command: Command) -> io::Result<()> {
        self.commands.send(command).map_err(|_| io::Error::other("a worker thread has ended"))?;
        self.waker.wake()
    }
}

/// Starts a worker thread with its share of the run; `report` is called with each of its windows.
pub fn start(plan: Plan, report: impl FnMut(Window) + Send + 'static) -> io::Result<Handle> {
    let poll = Poll::new()?;
    let waker = Arc::new(Waker::new(poll.registry(), WAKER)?);
    let (commands, receiver) = channel();
    std::thread::Builder::new().name("worker".into()).spawn(move || {
        if let Err(error) = run(plan, poll, receiver, report) {
            eprintln!("loadtest: a worker stops: {error}");
            std::process::exit(2);
        }
    })?;
    Ok(Handle { commands, waker })
}

fn run(plan: Plan, poll: Poll, commands: Receiver<Command>, report: impl FnMut(Window)) -> io::Result<()> {
    if let Some(core) = plan.core {
        sys::Affinity::one(core)?.apply()?;
    }
    let timer = sys::Timer::new()?;
    poll.registry().register(&mut SourceFd(&timer.as_raw_fd()), TIMER, Interest::READABLE)?;
    Worker::new(plan, poll, timer, report).run(&commands)
}

struct Client {
    room: u32,
    member: u32,
    group: Group,
    token: String,
    connection: Option<Connection>,
    expected: Expectations,
    /// When the connection was due: what a join's duration counts from.
    due_ns: u64,
    /// Counts connections; what was planned for an earlier one is void.
    life: u32,
    tries: u32,
    /// Number of the next input.
    next_n: u32,
    /// Where it left the room.
    since: Option<u64>,
    /// Said goodbye and waits for the server to close; then it stays away this long.
    leaving_for_ns: Option<u64>,
    /// Does not read.
    paused: bool,
}

struct Room {
    id: String,
    members: Vec<String>,
    check: RoomCheck,
}

/// Steers all clients of one group.
struct Troop {
    clients: Vec<u32>,
    joining: Option<Joining>,
    in_flight: usize,
    inputs_hz: f64,
    chat_hz: f64,
    /// Counts changes of the rates; what was planned for an earlier rate is void.
    tempo: u32,
    churn: Option<Churn>,
    reading: bool,
    connected: u64,
}

struct Joining {
    pace: Pace,
    remaining: usize,
    /// Place in the troop's list from which on somebody may still be away.
    cursor: usize,
    in_flight_limit: usize,
}

struct Churn {
    pace: Pace,
    away_ns: u64,
}

struct Finishing {
    deadline_ns: u64,
    next_look_ns: u64,
}

struct Worker<R> {
    plan: Plan,
    poll: Poll,
    timer: sys::Timer,
    report: R,
    clients: Vec<Client>,
    rooms: Vec<Room>,
    troops: [Troop; Group::ALL.len()],
    schedule: Schedule,
    writer: Writer,
    window: Window,
    random: Random,
    buffer: Vec<u8>,
    text: Vec<u8>,
    next_source: usize,
    reported_cpu_ns: u64,
    finishing: Option<Finishing>,
}

impl<R: FnMut(Window)> Worker<R> {
    fn new(mut plan: Plan, poll: Poll, timer: sys::Timer, report: R) -> Self {
        let mut clients = Vec::new();
        let mut rooms = Vec::new();
        for (room, planned) in (0..).zip(std::mem::take(&mut plan.rooms)) {
            clients.extend(planned.clients.into_iter().map(|client| Client::new(room, client)));
            let check = RoomCheck::new(planned.members.iter().map(String::as_str));
            rooms.push(Room { id: planned.id, members: planned.members, check });
        }
        let troops = Group::ALL.map(|group| Troop::new(group, &clients));
        Self {
            writer: Writer::new(&plan.traffic),
            random: Random::new(plan.seed, 1),
            schedule: Schedule::default(),
            window: Window::default(),
            buffer: vec![0; READ_BUFFER_BYTES],
            text: Vec::new(),
            next_source: 0,
            reported_cpu_ns: sys::thread_cpu_ns(),
            finishing: None,
            plan,
            poll,
            timer,
            report,
            clients,
            rooms,
            troops,
        }
    }

    fn run(mut self, commands: &Receiver<Command>) -> io::Result<()> {
        let mut events = Events::with_capacity(1024);
        let mut timer_ns = 0;
        loop {
            self.connect_due()?;
            self.churn_due();
            self.act_due();
            if self.finish_due() {
                return Ok(());
            }
            let next_ns = self.next_due_ns();
            let overdue = next_ns.is_some_and(|next_ns| next_ns <= monotonic_ns());
            if let Some(next_ns) = next_ns.filter(|next_ns| !overdue && *next_ns != timer_ns) {
                self.timer.set(next_ns)?;
                timer_ns = next_ns;
            }
            match self.poll.poll(&mut events, overdue.then_some(Duration::ZERO)) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                other => other?,
            }
            for event in &events {
                match event.token() {
                    WAKER => commands.try_iter().try_for_each(|command| self.carry_out(command))?,
                    TIMER => timer_ns = 0,
                    Token(client) => self.ready(client, event.is_readable(), event.is_writable()),
                }
            }
        }
    }

    fn next_due_ns(&self) -> Option<u64> {
        let joins =
            self.troops.iter().filter(|troop| troop.may_join()).filter_map(|troop| troop.joining.as_ref());
        let churns =
            self.troops.iter().filter_map(|troop| troop.churn.as_ref()).map(|churn| churn.pace.next_ns());
        let finish = self.finishing.as_ref().map(|finishing| finishing.next_look_ns);
        let paces = joins.map(|joining| joining.pace.next_ns()).chain(churns).chain(finish);
        paces.chain(self.schedule.next_ns()).min()
    }

    fn carry_out(&mut self, command: Command) -> io::Result<()> {
        let now_ns = monotonic_ns();
        match command {
            Command::Connect { group, count, per_second, in_flight } => {
                let pace = Pace::new(now_ns, per_second);
                let joining = Joining { pace, remaining: count, cursor: 0, in_flight_limit: in_flight };
                self.troops[group.index()].joining = Some(joining);
            }
            Command::Play { group, inputs_hz, chat_hz } => self.play(group, inputs_hz, chat_hz),
            Command::Churn { group, per_second, away_ms } => {
                let churn = Churn { pace: Pace::new(now_ns, per_second), away_ns: away_ms * 1_000_000 };
                self.troops[group.index()].churn = (per_second > 0.0).then_some(churn);
            }
            Command::Drop { group } => {
                for client in self.troops[group.index()].clients.clone() {
                    self.part(client as usize);
                }
            }
            Command::Read { group, on } => self.set_reading(group, on),
            Command::Report => self.send_window(false),
            Command::Finish { grace_ms } => {
                for group in Group::ALL {
                    self.play(group, 0.0, 0.0);
                    self.troops[group.index()].churn = None;
                    self.troops[group.index()].joining = None;
                }
                let deadline_ns = now_ns + grace_ms * 1_000_000;
                self.finishing = Some(Finishing { deadline_ns, next_look_ns: now_ns });
            }
        }
        Ok(())
    }

    fn play(&mut self, group: Group, inputs_hz: f64, chat_hz: f64) {
        let troop = &mut self.troops[group.index()];
        (troop.inputs_hz, troop.chat_hz) = (inputs_hz, chat_hz);
        troop.tempo = troop.tempo.wrapping_add(1);
        for client in troop.clients.clone() {
            if self.clients[client as usize].expected.is_playing() {
                self.begin(client);
            }
        }
    }

    fn set_reading(&mut self, group: Group, on: bool) {
        self.troops[group.index()].reading = on;
        for client in self.troops[group.index()].clients.clone() {
            self.clients[client as usize].paused = !on;
            if on {
                // The poll told of these bytes once and will not tell again.
                self.read(client as usize);
            }
        }
    }

    fn send_window(&mut self, last: bool) {
        for (group, troop) in self.window.groups.iter_mut().zip(&self.troops) {
            group.connected = troop.connected;
        }
        let cpu_ns = sys::thread_cpu_ns();
        self.window.tester_cpu_ns = cpu_ns - self.reported_cpu_ns;
        self.reported_cpu_ns = cpu_ns;
        self.window.last = last;
        (self.report)(std::mem::take(&mut self.window));
    }
}

/// Coming and going.
impl<R: FnMut(Window)> Worker<R> {
    fn connect_due(&mut self) -> io::Result<()> {
        for group in Group::ALL {
            for _ in 0..CONNECTS_PER_ROUND {
                let troop = &mut self.troops[group.index()];
                let may_join = troop.may_join();
                let Some(joining) = troop.joining.as_mut().filter(|_| may_join) else { break };
                let due_ns = joining.pace.next_ns();
                if due_ns > monotonic_ns() {
                    break;
                }
                let clients = &self.clients;
                let away = |client: &u32| clients[*client as usize].is_away();
                match troop.clients[joining.cursor..].iter().position(away) {
                    None => troop.joining = None,
                    Some(ahead) => {
                        let client = troop.clients[joining.cursor + ahead];
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
        let client = &mut self.clients[index as usize];
        let room = &self.rooms[client.room as usize];
        let key = handshake::key(self.random.bits());
        let since = client.since.filter(|_| self.plan.resume);
        let mut request = Vec::new();
        let since = room.check.epoch().zip(since);
        Request { host: &self.plan.host, token: &client.token, game_id: &room.id, since, key: &key }
            .write(&mut request);
        let sources = &self.plan.sources;
        let source = (!sources.is_empty()).then(|| sources[self.next_source % sources.len()]);
        self.next_source += 1;
        let slow = client.group == Group::Slow;
        let receive_buffer_bytes = self.plan.slow_receive_buffer_bytes.filter(|_| slow);
        let dial = Dial { target: self.plan.target, source, receive_buffer_bytes };
        client.life = client.life.wrapping_add(1);
        client.tries += 1;
        client.expected = Expectations::new(since.map(|(_, since)| since));
        client.leaving_for_ns = None;
        client.paused = !self.troops[client.group.index()].reading;
        self.troops[client.group.index()].in_flight += 1;
        match Connection::open(&dial, request, key, self.random.bits()) {
            Ok(mut connection) => {
                let interest = Interest::READABLE | Interest::WRITABLE;
                self.poll.registry().register(&mut connection.stream, Token(index as usize), interest)?;
                client.connection = Some(connection);
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

    /// The welcome has come: the client plays from now on.
    fn joined(&mut self, index: usize, now_ns: u64) {
        let client = &mut self.clients[index];
        let troop = &mut self.troops[client.group.index()];
        troop.in_flight -= 1;
        troop.connected += 1;
        let waited_ns = now_ns.saturating_sub(client.due_ns);
        self.window.group_mut(client.group).join.record_ns(waited_ns);
        self.begin(index as u32);
    }

    /// Leaves without a word.
    fn part(&mut self, index: usize) {
        let client = &mut self.clients[index];
        let Some(connection) = client.connection.take() else { return };
        connection.cut();
        self.gone(index);
    }

    /// Forgets a connection that is over.
    fn gone(&mut self, index: usize) {
        let client = &mut self.clients[index];
        let troop = &mut self.troops[client.group.index()];
        match client.expected.is_playing() {
            true => troop.connected -= 1,
            false => troop.in_flight -= 1,
        }
        client.since = client.expected.last_seq().or(client.since);
        client.expected = Expectations::new(None);
        client.life = client.life.wrapping_add(1);
        client.connection = None;
    }

    /// The server or the network ended a connection.
    fn ended(&mut self, index: usize, ended: Ended) {
        let client = &self.clients[index];
        let (playing, leaving, group) = (client.expected.is_playing(), client.leaving_for_ns, client.group);
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
            Ended::Refused(Refused::Status(status)) => format!("HTTP {status}"),
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
            *self.window.group_mut(group).failures.entry(reason).or_default() += 1;
            return self.retry(index);
        }
        if group != Group::Slow && !matches!(ended, Ended::BadFrame(_)) {
            self.violation(index, Violation::Disconnected, &reason);
        }
        *self.window.group_mut(group).closes.entry(reason).or_default() += 1;
    }

    fn retry(&mut self, index: usize) {
        let client = &self.clients[index];
        if client.tries < MAX_TRIES && self.finishing.is_none() {
            let wait_ms = RETRY_MS * u64::from(client.tries);
            let wait_ns = (wait_ms as f64 * 1e6 * (0.5 + self.random.unit())) as u64;
            self.plan_once(index, Task::Retry, wait_ns);
        }
    }

    fn plan_once(&mut self, index: usize, task: Task, wait_ns: u64) {
        let at_ns = monotonic_ns() + wait_ns;
        let stamp = self.clients[index].life;
        self.schedule.push(Due { at_ns, regular_ns: at_ns, client: index as u32, task, stamp });
    }

    fn churn_due(&mut self) {
        for group in Group::ALL {
            loop {
                let troop = &mut self.troops[group.index()];
                let now_ns = monotonic_ns();
                let Some(churn) = troop.churn.as_mut().filter(|churn| churn.pace.next_ns() <= now_ns) else {
                    break;
                };
                churn.pace.advance();
                let away_ns = churn.away_ns;
                let client = troop.clients[self.random.below(troop.clients.len())] as usize;
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
    fn turn(&mut self, due: Due) {
        let index = due.client as usize;
        match due.task {
            Task::Overdue => {
                self.violation(index, Violation::Disconnected, "a close frame was not answered in time");
                let away_ns = self.clients[index].leaving_for_ns.unwrap_or_default();
                self.part(index);
                return self.plan_once(index, Task::Return, away_ns);
            }
            Task::Return => {
                self.clients[index].due_ns = due.at_ns;
                self.clients[index].tries = 0;
            }
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

/// Playing.
impl<R: FnMut(Window)> Worker<R> {
    /// Plans a client's first input and line of chat at its troop's present rates, at a random point of their periods.
    fn begin(&mut self, client: u32) {
        let troop = &self.troops[self.clients[client as usize].group.index()];
        for (task, rate_hz) in [(Task::Act, troop.inputs_hz), (Task::Chat, troop.chat_hz)] {
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
        let troop = &self.troops[self.clients[due.client as usize].group.index()];
        let rate_hz = if due.task == Task::Chat { troop.chat_hz } else { troop.inputs_hz };
        let period_ns = 1e9 / rate_hz;
        let regular_ns = due.regular_ns + period_ns as u64;
        let at_ns = regular_ns + (self.plan.jitter * self.random.unit() * period_ns) as u64;
        Due { at_ns, regular_ns, ..*due }
    }

    fn stamp(&self, index: usize) -> u32 {
        let client = &self.clients[index];
        client.life.wrapping_add(self.troops[client.group.index()].tempo)
    }

    fn act_due(&mut self) {
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
        while due.at_ns <= now_ns {
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
        let deed = if due.task == Task::Chat { Deed::Chat } else { Deed::Act };
        self.text.clear();
        self.writer.write(deed, client.next_n, &mut self.text);
        if let Some(connection) = &mut client.connection {
            connection.frame(Opcode::Text, &self.text, out);
        }
        client.expected.sent(client.next_n, deed, due.at_ns);
        client.next_n = client.next_n.wrapping_add(1);
    }

    fn ready(&mut self, index: usize, readable: bool, writable: bool) {
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

    fn read(&mut self, index: usize) {
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
        let mut view = View { name, group: client.group, now_ns, writer: &self.writer, window };
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
        if let Err(ended) = result {
            self.ended(index, ended);
        }
    }

    fn violation(&mut self, index: usize, kind: Violation, what: &str) {
        let client = &self.clients[index];
        let room = &self.rooms[client.room as usize];
        let name = Name { user_id: &room.members[client.member as usize], room_id: &room.id };
        self.window.violations.add(kind, || name.describe(what));
    }
}

/// The end.
impl<R: FnMut(Window)> Worker<R> {
    /// True when everything is over.
    fn finish_due(&mut self) -> bool {
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
            let client = &mut self.clients[index];
            let Some(mut connection) = client.connection.take() else { continue };
            let lost = client.expected.lost();
            // A client that does not read cannot tell what came back.
            if lost > 0 && client.leaving_for_ns.is_none() && !client.paused {
                for _ in 0..lost {
                    self.violation(index, Violation::LostInput, "nothing came back");
                }
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
}

impl Client {
    fn new(room: u32, plan: crate::plan::ClientPlan) -> Self {
        Self {
            room,
            member: plan.member,
            group: plan.group,
            token: plan.token,
            connection: None,
            expected: Expectations::new(None),
            due_ns: 0,
            life: 0,
            tries: 0,
            next_n: 0,
            since: None,
            leaving_for_ns: None,
            paused: false,
        }
    }

    fn is_away(&self) -> bool {
        self.connection.is_none()
    }
}

impl Troop {
    fn new(group: Group, clients: &[Client]) -> Self {
        let own = (0..).zip(clients).filter(|(_, client)| client.group == group).map(|(index, _)| index);
        Self {
            clients: own.collect(),
            joining: None,
            in_flight: 0,
            inputs_hz: 0.0,
            chat_hz: 0.0,
            tempo: 0,
            churn: None,
            reading: true,
            connected: 0,
        }
    }

    /// Whether somebody is still to connect and may do so now.
    fn may_join(&self) -> bool {
        self.joining.as_ref().is_some_and(|joining| {
            joining.remaining > 0
                && (joining.in_flight_limit == 0 || self.in_flight < joining.in_flight_limit)
        })
    }
}
