//! A room, and an engine that answers when it is told to.

use std::collections::HashMap;
use std::num::{NonZeroU32, NonZeroU64};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::room::flush::Flush;
use crate::room::{
    Admission, Bounds, CaughtUp, QueuedInput, Reply, Room, RoomAction, Round, Submission, Why,
};
use crate::script::{Header, Script, ScriptSet};
use crate::state::ticks::Tick;
use crate::state::{
    Arguments, BatchDone, Call, CallError, CallResult, ConnectionKey, ErrorSource, Membership, Missed,
    RoomEvents, Tag,
};
use crate::wire::Position;
use crate::wire::ids::{Identity, Role, RoomId};
use crate::wire::message::InputName;
use crate::wire::ws::deflate::SharedFrame;

pub(super) const INTERVAL_MS: u64 = 50;
pub(super) const GRACE_MS: u64 = 5000;

/// A room under test. Connections are numbers; a user's membership has its connection's number.
///
/// What it wants done is written down, one line each:
/// - `submit N: CALL…`, where a call is `USER:PAYLOAD` for an input, and `HOOK(USER)` for a hook
/// - `admit C at SEQ[, n N][, since SEQ: FRAME]`, `refuse C CODE`, `turn away C WHY`, `busy C`/`unavailable C` for an input, `close C CODE`, `remove C: REASON`
/// - `out of order C n N` for an input, `ran up to N of C`
/// - `send C TEXT`, `catch up C SEQ FRAME`, `fall behind C`, `flush FIRST..LAST` (and of each member that an event names what it
///   gets), `wake MS`, `ran OK FAILED`
pub(super) struct Scene {
    pub room: Room,
    pub now_ms: u64,
    pub scripts: ScriptSet,
    pub bounds: Bounds,
    pub seq: u64,
    pub epoch: u64,
    /// What the engine has kept for those who come back.
    pub missed: Option<Missed>,
    /// What the engine knows of those who come in.
    pub last_ran: Vec<u64>,
    ticks: Vec<(usize, Tick)>,
    /// What the room has last asked for.
    pub next_wake_ms: u64,
    /// Batches that the engine has.
    pub submitted: HashMap<u32, Vec<Call>>,
    users: HashMap<String, Arc<Identity>>,
}

/// How a call of the test's engine ends.
#[derive(Clone, Copy, Debug)]
pub(super) enum End {
    Ok,
    Refused,
    Away,
    Busy,
    OutOfOrder,
    Skipped,
    NotRun,
}

impl Scene {
    pub(super) fn new() -> Self {
        let hooks = ["on_connect", "on_disconnect", "on_drop", "on_resume", "on_snapshot", "on_upgrade"];
        let scripts = hooks.iter().map(|name| ((*name).into(), script(name))).collect();
        Self {
            room: Room::new(room_id(), INTERVAL_MS, 0),
            now_ms: 10_000,
            scripts: ScriptSet::new(scripts, 1),
            bounds: Bounds {
                batch_calls: 8,
                batch_bytes: 1000,
                batch_time_us: 20_000,
                waiting_bytes: 10_000,
                rejoin_grace_ms: GRACE_MS,
            },
            seq: 0,
            epoch: 1,
            missed: None,
            last_ran: Vec::new(),
            ticks: Vec::new(),
            next_wake_ms: 0,
            submitted: HashMap::new(),
            users: HashMap::new(),
        }
    }

    /// A room in which these users are, on connections 1, 2, ….
    pub(super) fn with(users: &[&str]) -> Self {
        let mut scene = Self::new();
        for (connection, user) in (1..).zip(users) {
            scene.join(connection, user);
        }
        let number = scene.settle_and_find("on_connect");
        scene.end(number, &[End::Ok]);
        scene.advance(INTERVAL_MS * 2);
        scene
    }

    /// The game has a script of that name that runs at an interval, and had no other before.
    pub(super) fn tick_every(&mut self, name: &str, ms: u32) {
        self.scripts.scripts.retain(|_, script| script.header.tick_ms.is_none());
        let script = script(name);
        let header = Header { tick_ms: NonZeroU32::new(ms), ..script.header.clone() };
        let script = Script::new(name, format!("{name}.lua"), "return 1", header);
        self.scripts.scripts.insert(name.into(), Arc::new(script));
        self.scripts.generation += 1;
    }

    /// The engine's end of a batch that begins with a tick: how long since the last one if it was due, and until the next.
    pub(super) fn end_tick(&mut self, number: u32, passed_ms: Option<u64>, wait_ms: u64) -> Vec<String> {
        self.ticks.push((0, Tick { passed_ms, left_out: 0, wait_ms }));
        self.end(number, &[End::Ok])
    }

    pub(super) fn advance(&mut self, ms: u64) {
        self.now_ms += ms;
    }

    pub(super) fn join(&mut self, connection: u32, user: &str) {
        let identity = self.identity(user);
        self.room.join(key(connection), identity, connection, None, None);
    }

    pub(super) fn leave(&mut self, connection: u32, user: &str) {
        let identity = self.identity(user);
        self.act(|room, round, _| room.leave(identity, connection, round));
    }

    /// Its connection is lost.
    pub(super) fn lose(&mut self, connection: u32, user: &str) -> Vec<String> {
        let identity = self.identity(user);
        self.act(|room, round, actions| room.lose(identity, connection, round, actions))
    }

    pub(super) fn upgrade(&mut self, user: &str) {
        let call = Call::hook(script("on_upgrade"), self.identity(user), &room_id(), Membership::Unchanged);
        self.act(|room, round, _| room.run_own(call, round));
    }

    /// An input with an id, so that it is answered.
    pub(super) fn input(&mut self, connection: u32, user: &str, payload: &str) -> Vec<String> {
        let call = Call::input(script("play"), self.identity(user), payload.as_bytes().into(), true);
        let reply = Some(Reply {
            connection: key(connection),
            name: InputName { id: Some(7), n: None },
            tells_script: false,
        });
        let input = QueuedInput { call, reply, received_at: Instant::now(), charge: None };
        self.act(|room, round, actions| room.input(input, round, actions))
    }

    /// A numbered input.
    pub(super) fn numbered(&mut self, connection: u32, user: &str, n: u64) -> Vec<String> {
        let n = NonZeroU64::new(n);
        let payload = format!("#{}", n.map_or(0, NonZeroU64::get));
        let call =
            Call::input(script("play"), self.identity(user), payload.as_bytes().into(), true).numbered(n);
        let reply =
            Some(Reply { connection: key(connection), name: InputName { id: None, n }, tells_script: false });
        let input = QueuedInput { call, reply, received_at: Instant::now(), charge: None };
        self.act(|room, round, actions| room.input(input, round, actions))
    }

    /// Somebody who was here before, and knows the events up to this one.
    pub(super) fn rejoin(&mut self, connection: u32, user: &str, since: Position) {
        let identity = self.identity(user);
        self.room.join(key(connection), identity, connection, Some(since), None);
    }

    pub(super) fn is_behind(&mut self, connection: u32, user: &str, since: Position) {
        let identity = self.identity(user);
        self.room.is_behind(identity, connection, since);
    }

    pub(super) fn settle(&mut self) -> Vec<String> {
        self.act(|room, round, actions| room.settle(round, actions))
    }

    pub(super) fn time(&mut self) -> Vec<String> {
        self.act(|room, round, actions| room.time(round, actions))
    }

    /// Settles, and gives the number of the batch that has a call of that script.
    #[track_caller]
    pub(super) fn settle_and_find(&mut self, name: &str) -> u32 {
        let lines = self.settle();
        let with = |calls: &Vec<Call>| calls.iter().any(|call| &*call.script.name == name);
        let found = self.submitted.iter().find(|(_, calls)| with(calls)).map(|(number, _)| *number);
        found.unwrap_or_else(|| panic!("no {name} in {lines:?}"))
    }

    /// The engine's end of a batch without events: as told, the last one for all the rest.
    pub(super) fn end(&mut self, number: u32, ends: &[End]) -> Vec<String> {
        self.end_with(number, ends, None, Duration::ZERO)
    }

    /// As [`Scene::end`]; the batch has caused so many events.
    pub(super) fn end_with_events(&mut self, number: u32, ends: &[End], events: u64) -> Vec<String> {
        let events = self.events(events);
        self.end_with(number, ends, Some(events), Duration::ZERO)
    }

    /// As [`Scene::end`], with events of which those above `seq` came behind the snapshot.
    pub(super) fn end_at(&mut self, number: u32, ends: &[End], events: RoomEvents, seq: u64) -> Vec<String> {
        let last_seq = std::mem::replace(&mut self.seq, seq);
        let lines = self.end_with(number, ends, Some(events), Duration::ZERO);
        self.seq = last_seq;
        lines
    }

    /// What goes out when the room is settled.
    #[track_caller]
    pub(super) fn flush(&mut self) -> Flush {
        let mut actions = Vec::new();
        let Self { room, now_ms, scripts, bounds, .. } = self;
        room.settle(Round { now_ms: *now_ms, began: Instant::now(), scripts, bounds }, &mut actions);
        let flush = actions.into_iter().find_map(|action| match action {
            RoomAction::Flush(flush) => Some(flush),
            _ => None,
        });
        flush.expect("something has gathered")
    }

    pub(super) fn end_with(
        &mut self,
        number: u32,
        ends: &[End],
        events: Option<RoomEvents>,
        took: Duration,
    ) -> Vec<String> {
        let calls = self.submitted.remove(&number).expect("the engine has it");
        let ends = ends.iter().chain(std::iter::repeat(&ends[ends.len() - 1]));
        let results = calls.into_iter().zip(ends).map(|(call, end)| end.result(call)).collect();
        let done = BatchDone {
            room: Some(room_id()),
            results,
            runs: Vec::new(),
            events: events.map(Arc::new),
            position: Position { epoch: self.epoch, seq: self.seq },
            missed: self.missed.take(),
            last_ran: std::mem::take(&mut self.last_ran),
            ticks: std::mem::take(&mut self.ticks),
            tag: Tag::NONE,
            received_at: Instant::now(),
            took,
        };
        self.act(|room, round, actions| room.batch_done(number, done, round, actions))
    }

    pub(super) fn not_taken(&mut self, number: u32, why: Why) -> Vec<String> {
        let calls = self.submitted.remove(&number).expect("it was submitted");
        self.act(|room, round, actions| room.batch_not_taken(number, calls, why, round, actions))
    }

    /// The next events of the room.
    pub(super) fn events(&mut self, count: u64) -> RoomEvents {
        let first_seq = self.seq + 1;
        self.seq += count;
        let texts: Vec<String> = (first_seq..=self.seq).map(|seq| format!("{{{seq}}}")).collect();
        let ends = texts.iter().scan(0, |end, text| {
            let this = *end + text.len() as u32;
            *end = this + 1;
            Some(this)
        });
        RoomEvents {
            room: room_id(),
            epoch: self.epoch,
            first_seq,
            ends: ends.collect(),
            text: texts.join(",").into(),
            addressed: Vec::new(),
            replacing: Vec::new(),
            removals: Vec::new(),
        }
    }

    pub(super) fn act(
        &mut self,
        act: impl FnOnce(&mut Room, Round<'_>, &mut Vec<RoomAction>),
    ) -> Vec<String> {
        let mut actions = Vec::new();
        let round = Round {
            now_ms: self.now_ms,
            began: Instant::now(),
            scripts: &self.scripts,
            bounds: &self.bounds,
        };
        act(&mut self.room, round, &mut actions);
        actions.into_iter().map(|action| self.note(action)).collect()
    }

    pub(super) fn identity(&mut self, user: &str) -> Arc<Identity> {
        let new = || {
            Arc::new(Identity {
                user_id: user.into(),
                username: user.into(),
                role: Role::Player,
                expires_at_s: 0,
                login: Default::default(),
            })
        };
        self.users.entry(user.to_owned()).or_insert_with(new).clone()
    }

    fn note(&mut self, action: RoomAction) -> String {
        match action {
            RoomAction::Submit(Submission { number, calls, .. }) => {
                let shown: Vec<String> = calls.iter().map(show_call).collect();
                self.submitted.insert(number, calls);
                format!("submit {number}: {}", shown.join(" "))
            }
            RoomAction::Admit(Admission { connection, position, n, recovered, .. }) => {
                let n = if n > 0 { format!(", n {n}") } else { String::new() };
                let since =
                    recovered.map(|all| format!(", since {}: {}", all.since, shown(all.missed.as_ref())));
                format!("admit {} at {}{n}{}", connection.index, position.seq, since.unwrap_or_default())
            }
            RoomAction::Refuse { connection, error } => format!("refuse {} {}", connection.index, error.code),
            RoomAction::TurnAway { connection, why } => format!("turn away {} {why:?}", connection.index),
            RoomAction::RefuseInput { connection, why: Why::Busy, .. } => {
                format!("busy {}", connection.index)
            }
            RoomAction::RefuseInput { connection, why: Why::Unavailable, .. } => {
                format!("unavailable {}", connection.index)
            }
            RoomAction::RefuseInput { connection, name, why: Why::OutOfOrder } => {
                format!("out of order {} n {}", connection.index, name.n.map_or(0, NonZeroU64::get))
            }
            RoomAction::InputsRan { connection, n } => format!("ran up to {n} of {}", connection.index),
            RoomAction::Send { to, frame } => {
                format!("send {} {}", to.index, String::from_utf8_lossy(&frame[2..]))
            }
            RoomAction::CatchUp { to, caught_up: CaughtUp { seq, frame, is_state } } => {
                let is_snapshot = frame
                    .as_ref()
                    .is_some_and(|frame| frame.plain()[2..].starts_with(br#"{"type":"snapshot""#));
                assert_eq!(is_state, is_snapshot);
                format!("catch up {} {seq} {}", to.index, shown(frame.as_deref().map(SharedFrame::plain)))
            }
            RoomAction::FallBehind(to) => format!("fall behind {}", to.index),
            RoomAction::Close { connection, code, .. } => format!("close {} {code}", connection.index),
            RoomAction::Remove { connection, reason } => format!("remove {}: {reason}", connection.index),
            RoomAction::Flush(flush) => {
                let own = if flush.is_addressed() { self.show_own(&flush) } else { String::new() };
                format!("flush {}..{}{own}", flush.first_seq, flush.last_seq())
            }
            RoomAction::WakeAt(ms) => {
                self.next_wake_ms = ms;
                format!("wake {ms}")
            }
            RoomAction::Ticked { left_out } => format!("ticked {left_out}"),
            RoomAction::Ran { ok, failed, .. } => format!("ran {ok} {failed}"),
        }
    }
}

impl Scene {
    fn show_own(&self, flush: &Flush) -> String {
        let mut users: Vec<&String> = self.users.keys().collect();
        users.sort();
        let frame = |user: &String| {
            let frame = flush.frame_for(user)?;
            Some(format!(" {user}:{}", String::from_utf8_lossy(&frame.plain()[2..])))
        };
        users.into_iter().filter_map(frame).collect()
    }
}

fn shown(frame: Option<&Bytes>) -> String {
    frame.map_or_else(|| "nothing".to_owned(), |frame| String::from_utf8_lossy(&frame[2..]).into_owned())
}

impl End {
    fn result(self, call: Call) -> CallResult {
        let error = |code: &str| CallError {
            code: code.into(),
            message: "no".into(),
            details: None,
            source: ErrorSource::Script,
        };
        match self {
            Self::Ok => CallResult::Ok(bytes::Bytes::from_static(b"1")),
            Self::Refused => CallResult::Err(error("nope")),
            Self::Away => CallResult::Err(error("unavailable")),
            Self::Busy => CallResult::Err(error("busy")),
            Self::OutOfOrder => CallResult::Err(error("out_of_order")),
            Self::Skipped => CallResult::Skipped,
            Self::NotRun => CallResult::NotRun(Box::new(call)),
        }
    }
}

fn show_call(call: &Call) -> String {
    match &call.arguments {
        Arguments::Payload(payload) => {
            format!("{}:{}", call.caller.user_id, String::from_utf8_lossy(payload))
        }
        Arguments::List(_) | Arguments::Tick | Arguments::Message(_) => {
            format!("{}({})", call.script.name, call.caller.user_id)
        }
    }
}

fn room_id() -> RoomId {
    RoomId::parse("r").unwrap()
}

/// The connection of that number.
pub(super) fn key(number: u32) -> ConnectionKey {
    ConnectionKey { shard: 0, index: number, generation: 1 }
}

pub(super) fn script(name: &str) -> Arc<Script> {
    let header = Header {
        role: Role::Guest,
        names_role: true,
        is_for_server: false,
        keys: Vec::new(),
        kept_keys: Vec::new(),
        documents: Vec::new(),
        is_durable: false,
        room_argument: None,
        tick_ms: None,
        is_atomic: true,
        actions: Vec::new(),
    };
    Arc::new(Script::new(name, format!("{name}.lua"), "return 1", header))
}
