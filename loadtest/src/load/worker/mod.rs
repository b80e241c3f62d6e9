//! One worker thread: an event loop that plays its share of the clients.
//!
//! It carries out commands, sends what the timetable says, reads what comes, and hands every message to the room's judge.

mod clients;
mod coming;
mod ending;
mod persisting;
mod playing;

use crate::check::{Numbered, RoomCheck};
use crate::client::tls::Tls;
use crate::load::plan::{Command, Plan, Target};
use crate::load::schedule::{Pace, Schedule};
use crate::measure::group::Group;
use crate::measure::window::Window;
use crate::messages::traffic::Writer;
use crate::random::Random;
use crate::sys::{self, monotonic_ns};
use clients::{Churn, Client, ClientGroup, Finishing, Joining, Room};
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token, Waker};
use std::io;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

const WAKER: Token = Token(usize::MAX);
const TIMER: Token = Token(usize::MAX - 1);
/// Sockets are read in portions too, so that inputs leave on time in between.
const EVENTS_PER_ROUND: usize = 128;
const READ_BUFFER_BYTES: usize = 256 << 10;

/// A worker's address: commands go in here, windows come out of the channel given to [`start`].
#[derive(Clone)]
pub(crate) struct Handle {
    commands: Sender<Command>,
    waker: Arc<Waker>,
}

impl Handle {
    /// Tells the worker to do something.
    pub(crate) fn send(&self, command: Command) -> io::Result<()> {
        self.commands.send(command).map_err(|_| io::Error::other("a worker thread has ended"))?;
        self.waker.wake()
    }
}

/// Starts a worker thread with its share of the run; `report` is called with each of its windows.
pub(crate) fn start(plan: Plan, report: impl FnMut(Window) + Send + 'static) -> io::Result<Handle> {
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
    let tls = |server: &Target| server.trust.as_ref().map(|trust| Tls::new(trust, &server.host)).transpose();
    let tls = plan.servers.iter().map(tls).collect::<io::Result<_>>()?;
    Worker::new(plan, tls, poll, timer, report).run(&commands)
}

struct Worker<R> {
    plan: Plan,
    /// How each server is spoken with, in the plan's order.
    tls: Vec<Option<Tls>>,
    poll: Poll,
    timer: sys::Timer,
    report: R,
    clients: Vec<Client>,
    rooms: Vec<Room>,
    groups: [ClientGroup; Group::ALL.len()],
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
    fn new(mut plan: Plan, tls: Vec<Option<Tls>>, poll: Poll, timer: sys::Timer, report: R) -> Self {
        let mut clients = Vec::new();
        let mut rooms = Vec::new();
        for (room, planned) in (0..).zip(std::mem::take(&mut plan.rooms)) {
            clients.extend(planned.clients.into_iter().map(|client| Client::new(room, client)));
            let check = RoomCheck::new(planned.members.iter().map(String::as_str));
            let check = if plan.servers.len() > 1 { check.comparing() } else { check };
            rooms.push(Room { id: planned.id, members: planned.members, check });
        }
        if plan.persistence.is_some() {
            for client in &mut clients {
                client.expected.numbered = Some(Box::new(Numbered::new(plan.traffic.fail_every)));
            }
        }
        let groups = Group::ALL.map(|group| ClientGroup::new(group, &clients));
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
            tls,
            poll,
            timer,
            report,
            clients,
            rooms,
            groups,
        }
    }

    fn run(mut self, commands: &Receiver<Command>) -> io::Result<()> {
        let mut events = Events::with_capacity(EVENTS_PER_ROUND);
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
            self.groups.iter().filter(|group| group.may_join()).filter_map(|group| group.joining.as_ref());
        let churns =
            self.groups.iter().filter_map(|group| group.churn.as_ref()).map(|churn| churn.pace.next_ns());
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
                self.groups[group.index()].joining = Some(joining);
            }
            Command::Play { group, inputs_hz, chat_hz } => self.play(group, inputs_hz, chat_hz),
            Command::Churn { group, per_second, away_ms } => {
                let churn = Churn { pace: Pace::new(now_ns, per_second), away_ns: away_ms * 1_000_000 };
                self.groups[group.index()].churn = (per_second > 0.0).then_some(churn);
            }
            Command::Drop { group } => {
                for client in self.groups[group.index()].clients.clone() {
                    self.part(client as usize);
                }
            }
            Command::Read { group, on } => self.set_reading(group, on),
            Command::Report => self.send_window(false),
            Command::Finish { grace_ms } => {
                for group in Group::ALL {
                    self.play(group, 0.0, 0.0);
                    self.groups[group.index()].churn = None;
                    self.groups[group.index()].joining = None;
                }
                let deadline_ns = now_ns + grace_ms * 1_000_000;
                self.finishing = Some(Finishing { deadline_ns, next_look_ns: now_ns });
            }
        }
        Ok(())
    }

    fn play(&mut self, group: Group, inputs_hz: f64, chat_hz: f64) {
        let group = &mut self.groups[group.index()];
        (group.inputs_hz, group.chat_hz) = (inputs_hz, chat_hz);
        group.tempo = group.tempo.wrapping_add(1);
        for client in group.clients.clone() {
            if self.clients[client as usize].expected.is_playing() {
                self.begin(client);
            }
        }
    }

    fn set_reading(&mut self, group: Group, on: bool) {
        self.groups[group.index()].reading = on;
        for client in self.groups[group.index()].clients.clone() {
            self.clients[client as usize].paused = !on;
            self.clients[client as usize].expected.heartbeat.forget();
            if on {
                // The poll told of these bytes once and will not tell again.
                self.read(client as usize);
            }
        }
    }

    fn send_window(&mut self, last: bool) {
        for (counted, group) in self.window.groups.iter_mut().zip(&self.groups) {
            counted.connected = group.connected;
            let expected = || group.clients.iter().map(|client| &self.clients[*client as usize].expected);
            let numbered = expected().filter_map(|expected| expected.numbered.as_ref());
            counted.catching_up =
                expected().filter(|expected| expected.missing_seq().is_some()).count() as u64;
            counted.unanswered = numbered.map(|numbered| numbered.waiting() as u64).sum();
        }
        let cpu_ns = sys::thread_cpu_ns();
        self.window.tester_cpu_ns = cpu_ns - self.reported_cpu_ns;
        self.reported_cpu_ns = cpu_ns;
        self.window.last = last;
        (self.report)(std::mem::take(&mut self.window));
    }
}
