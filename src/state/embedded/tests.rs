//! The engine as the shards see it: batches in, deliveries out.

mod messages;
mod sharing;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, unbounded};

use super::{EmbeddedEngine, EmbeddedOptions};
use crate::metrics::Metrics;
use crate::script::{Header, Script, ScriptSet};
use crate::state::{
    Batch, BatchDone, Call, CallKeys, CallResult, CallRun, Deliver, Delivery, Engine, OnError, Position,
    RoomEvents, ShardId,
};
use crate::wire::ids::{Identity, Role, RoomId};

/// Home shards by name: rooms that begin with a digit live on that shard.
struct Mailboxes(Sender<(ShardId, Delivery)>);

impl Deliver for Mailboxes {
    fn deliver(&mut self, shard: ShardId, delivery: Delivery) {
        // The test may have ended already.
        let _ = self.0.send((shard, delivery));
    }

    fn home(&self, room: &RoomId) -> ShardId {
        room.as_str()[..1].parse().unwrap()
    }
}

struct Game {
    engine: EmbeddedEngine,
    deliveries: Receiver<(ShardId, Delivery)>,
    metrics: Arc<Metrics>,
}

impl Game {
    fn start(options: EmbeddedOptions) -> Self {
        Self::start_with(options, Arc::default())
    }

    fn start_with(options: EmbeddedOptions, scripts: Arc<ScriptSet>) -> Self {
        let (sender, deliveries) = unbounded();
        let metrics = Arc::new(Metrics::new());
        let engine =
            EmbeddedEngine::start(options, scripts, Box::new(Mailboxes(sender)), metrics.clone()).unwrap();
        Self { engine, deliveries, metrics }
    }

    fn submit(&self, batch: Batch) {
        self.engine.submit(batch).unwrap();
    }

    fn next(&self) -> (ShardId, Delivery) {
        self.deliveries.recv_timeout(Duration::from_secs(10)).expect("a delivery within ten seconds")
    }

    fn done(&self) -> (ShardId, BatchDone) {
        match self.next() {
            (shard, Delivery::Done(done)) => (shard, done),
            (_, other) => panic!("{other:?} instead of a batch's end"),
        }
    }

    fn events(&self) -> (ShardId, Arc<RoomEvents>) {
        match self.next() {
            (shard, Delivery::Events(events)) => (shard, events),
            (_, other) => panic!("{other:?} instead of events"),
        }
    }
}

fn script(text: &str) -> Arc<Script> {
    let header = Header {
        role: Role::Player,
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
    Arc::new(Script::new("test", "scripts/test.lua", text, header))
}

fn batch(room: Option<&str>, origin: ShardId, scripts: &[&Arc<Script>]) -> Batch {
    let caller = Arc::new(Identity {
        user_id: "42".into(),
        username: "Ann".into(),
        role: Role::Player,
        expires_at_s: 0,
        login: Default::default(),
    });
    let call = |script: &&Arc<Script>| Call {
        keys: CallKeys::FromRoom,
        ..Call::rpc(Arc::clone(script), caller.clone(), Vec::new(), Vec::new())
    };
    Batch::new(room.and_then(RoomId::parse), scripts.iter().map(call).collect(), origin)
}

fn shown(results: &[CallResult]) -> Vec<String> {
    let show = |result: &CallResult| match result {
        CallResult::Ok(json) => String::from_utf8(json.to_vec()).unwrap(),
        CallResult::Err(error) => format!("{}: {}", error.code, error.message),
        CallResult::Skipped => "skipped".into(),
        CallResult::NotRun(_) => "not run".into(),
    };
    results.iter().map(show).collect()
}

#[test]
fn a_batch_runs_in_order_and_its_events_come_with_its_end() {
    let game = Game::start(EmbeddedOptions::default());
    let step = script("local n = redis.call('INCR', 'n') godra.publish('step', n) return n");
    game.submit(batch(Some("1a"), 1, &[&step, &step, &step]));
    let (shard, done) = game.done();
    assert_eq!(shard, 1);
    assert_eq!(shown(&done.results), ["1", "2", "3"]);
    let events = done.events.unwrap();
    assert_eq!((events.first_seq, events.ends.len()), (1, 3));
    assert_eq!(done.position, Position { epoch: events.epoch, seq: 3 });
    let last = &events.text[events.ends[1] as usize + 1..];
    assert_eq!(last, br#"{"type":"step","payload":3,"seq":3}"#);
}

#[test]
fn what_decided_a_call_comes_with_its_result() {
    let game = Game::start(EmbeddedOptions::default());
    let tell = script("godra.publish('told') return string.format('%.0f', godra.now)");
    let broken = script("return nil + 1");
    let submit = |on_error, scripts: &[&Arc<Script>]| {
        game.submit(Batch { on_error, ..batch(Some("1a"), 1, scripts) });
        game.done().1
    };
    let first = submit(OnError::Stop, &[&tell, &broken, &tell]);
    let runs: Vec<CallRun> = first.runs.iter().flatten().copied().collect();
    assert_eq!((first.results.len(), first.runs.len(), runs.len()), (3, 3, 2), "the last was skipped");
    assert_eq!(shown(&first.results)[0], format!("\"{}\"", runs[0].now_ms));
    assert_eq!((runs[0].after_seq, runs[0].place), (0, 0));
    assert_eq!(runs[1], CallRun { seed: runs[0].seed + 1, place: 1, ..runs[0] });
    let second = submit(OnError::GoOn, &[&tell]);
    assert_eq!(second.runs[0].map(|run| (run.after_seq, run.place)), Some((1, 0)));
}

#[test]
fn events_of_other_origins_and_rooms_go_to_the_home_shard() {
    let game = Game::start(EmbeddedOptions::default());
    let here = script("godra.publish('here') return 1");
    game.submit(batch(Some("2a"), 1, &[&here]));
    let (shard, events) = game.events();
    assert_eq!((shard, events.room.as_str(), events.first_seq), (2, "2a", 1));
    let (shard, done) = game.done();
    assert_eq!(shard, 1);
    assert!(done.events.is_none());
    assert_eq!(done.position, Position { epoch: events.epoch, seq: 1 });

    let there = script(
        "godra.publish('here') redis.call('PUBLISH', 'game_updates:game:3b', '{\"type\":\"there\"}') return 1",
    );
    game.submit(batch(Some("2a"), 2, &[&there]));
    let (shard, events) = game.events();
    assert_eq!((shard, events.room.as_str()), (3, "3b"));
    let (shard, done) = game.done();
    assert_eq!(shard, 2);
    assert_eq!(done.events.unwrap().first_seq, 2);
}

#[test]
fn events_before_a_flush_go_ahead_under_their_own_epoch() {
    let game = Game::start(EmbeddedOptions::default());
    game.submit(batch(
        Some("1a"),
        1,
        &[&script("godra.publish('before') redis.call('FLUSHALL') godra.publish('after') return 1")],
    ));
    let (_, before) = game.events();
    let (_, done) = game.done();
    let after = done.events.unwrap();
    assert_eq!((before.first_seq, after.first_seq), (1, 1));
    assert_ne!(before.epoch, after.epoch);
    assert_eq!(done.position.epoch, after.epoch);
}

#[test]
fn a_failed_call_fails_alone_unless_the_batch_stops() {
    let game = Game::start(EmbeddedOptions::default());
    let (good, bad) = (script("return 'fine'"), script("error('broken')"));
    game.submit(batch(Some("1a"), 1, &[&good, &bad, &good]));
    let expected = ["\"fine\"", "script_error: test.lua:1: broken", "\"fine\""];
    assert_eq!(shown(&game.done().1.results), expected);
    let mut stopping = batch(Some("1a"), 1, &[&good, &bad, &good]);
    stopping.on_error = OnError::Stop;
    game.submit(stopping);
    assert_eq!(shown(&game.done().1.results)[1..], ["script_error: test.lua:1: broken", "skipped"]);
}

#[test]
fn the_last_call_may_need_another_that_worked() {
    let game = Game::start(EmbeddedOptions::default());
    let (good, bad) = (script("return 'fine'"), script("error('broken')"));
    let check = |scripts: &[&Arc<Script>], expected: &[&str]| {
        let mut batch = batch(Some("1a"), 1, scripts);
        batch.on_error = OnError::LastNeedsAnother;
        game.submit(batch);
        assert_eq!(shown(&game.done().1.results), expected);
    };
    let broken = "script_error: test.lua:1: broken";
    check(&[&bad, &good, &bad, &good], &[broken, "\"fine\"", broken, "\"fine\""]);
    check(&[&bad, &bad, &good], &[broken, broken, "skipped"]);
    check(&[&good], &["skipped"]);
}

#[test]
fn results_that_nobody_wants_are_null() {
    let game = Game::start(EmbeddedOptions::default());
    let mut quiet = batch(Some("1a"), 1, &[&script("return {1, 2}"), &script("return {err = 'no'}")]);
    quiet.calls.iter_mut().for_each(|call| call.wants_result = false);
    game.submit(quiet);
    assert_eq!(shown(&game.done().1.results), ["null", "script_error: no"]);
}

#[test]
fn a_batch_without_a_room_has_no_position() {
    let game = Game::start(EmbeddedOptions::default());
    game.submit(batch(None, 0, &[&script("return 1")]));
    assert_eq!(game.done().1.position, Position::default());
}

#[test]
fn a_position_is_there_before_the_first_event_and_keeps_its_epoch() {
    let game = Game::start(EmbeddedOptions::default());
    game.submit(batch(Some("1a"), 1, &[&script("return 1")]));
    let first = game.done().1.position;
    assert_eq!(first.seq, 0);
    assert_ne!(first.epoch, 0);
    game.submit(batch(Some("1a"), 1, &[&script("godra.publish('x')")]));
    assert_eq!(game.done().1.position, Position { epoch: first.epoch, seq: 1 });
}

#[test]
fn failing_in_a_room_that_nobody_knows_begins_no_history() {
    let game = Game::start(EmbeddedOptions::default());
    game.submit(batch(Some("1a"), 1, &[&script("godra.error('not_found', 'Lobby does not exist')")]));
    assert_eq!(game.done().1.position, Position::default());
    game.submit(batch(Some("1a"), 1, &[&script("godra.publish('x') error('late')")]));
    assert_eq!(game.done().1.position, Position::default());
}

#[test]
fn new_scripts_are_taken_and_queued_calls_keep_theirs() {
    let game = Game::start(EmbeddedOptions::default());
    let (old, new) = (script("return 'old'"), script("return 'new'"));
    game.submit(batch(None, 0, &[&old]));
    let scripts = HashMap::from([("test".into(), new.clone())]);
    game.engine.replace_scripts(Arc::new(ScriptSet::new(scripts, 2)));
    game.submit(batch(None, 0, &[&old, &new]));
    assert_eq!(shown(&game.done().1.results), ["\"old\""]);
    assert_eq!(shown(&game.done().1.results), ["\"old\"", "\"new\""]);
}

#[test]
fn a_full_queue_gives_batches_back() {
    let options = EmbeddedOptions {
        queue_capacity: 2,
        time_budget: Duration::from_secs(20),
        ..EmbeddedOptions::default()
    };
    let game = Game::start(options);
    let slow = script("for i = 1, 2e6 do local s = {} end return 1");
    let refused = (0..10).filter(|_| game.engine.submit(batch(None, 0, &[&slow])).is_err()).count();
    // One may be running, and a wake-up may take a place.
    assert!((7..=9).contains(&refused), "{refused} refused");
    assert!(game.engine.is_ready());
    (0..10 - refused).for_each(|_| drop(game.done()));
    assert_eq!(game.engine.queue_depth(), 0);
}

#[test]
fn stopping_finishes_what_is_queued() {
    let game = Game::start(EmbeddedOptions::default());
    let step = script("return redis.call('INCR', 'n')");
    for _ in 0..100 {
        game.submit(batch(None, 0, &[&step]));
    }
    game.engine.stop();
    assert!(!game.engine.is_ready());
    let back = game.engine.submit(batch(None, 0, &[&step])).unwrap_err();
    assert_eq!(back.batch.calls.len(), 1);
    for expected in 1..=100 {
        assert_eq!(shown(&game.done().1.results), [expected.to_string()]);
    }
    assert!(game.deliveries.is_empty());
}

#[test]
fn every_batch_that_was_taken_is_answered_when_stopping_races_with_submitting() {
    for _ in 0..20 {
        let game = Game::start(EmbeddedOptions::default());
        let step = script("return 1");
        let taken: usize = std::thread::scope(|scope| {
            let submit = || (0..200).filter(|_| game.engine.submit(batch(None, 0, &[&step])).is_ok()).count();
            let threads: Vec<_> = (0..3).map(|_| scope.spawn(submit)).collect();
            game.engine.stop();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(game.deliveries.len(), taken);
    }
}

#[test]
fn a_script_that_runs_too_long_holds_nobody_up_for_long() {
    let game = Game::start(EmbeddedOptions::default());
    game.submit(batch(Some("1a"), 1, &[&script("while true do end"), &script("return 'next'")]));
    let expected = ["script_timeout: test.lua:1: script ran longer than 50 ms", "\"next\""];
    assert_eq!(shown(&game.done().1.results), expected);
}

#[test]
fn keys_expire_while_nobody_asks() {
    let game = Game::start(EmbeddedOptions::default());
    game.submit(batch(None, 0, &[&script("return redis.call('SET', 'k', 'v', 'PX', 1)")]));
    game.done();
    let size = script("return redis.call('DBSIZE')");
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        game.submit(batch(None, 0, &[&size]));
        if shown(&game.done().1.results) == ["0"] {
            break;
        }
        assert!(Instant::now() < deadline, "the key is still there");
    }
}

#[test]
fn calls_are_counted_by_script() {
    let game = Game::start(EmbeddedOptions::default());
    let scripts = [
        script("return 1"),
        script("error('x')"),
        script("godra.error('c', 'm')"),
        script("while true do end"),
    ];
    game.submit(batch(None, 0, &[&scripts[0], &scripts[1], &scripts[2], &scripts[3]]));
    game.done();
    let counted = game.metrics.script("test");
    assert_eq!((counted.runs.get(), counted.errors.get(), counted.timeouts.get()), (4, 2, 1));
    assert_eq!(counted.duration.count(), 4);
}
