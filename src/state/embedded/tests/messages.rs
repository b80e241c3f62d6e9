//! Messages run by the engine's thread.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use super::*;
use crate::metrics::MessageOutcome;
use crate::state::embedded::stepped::SteppedEngine;
use crate::state::mail::{MAX_OF_ROUND, UNKNOWN_FOR_MS};

/// With scripts for messages, of these names and texts.
fn game_of(scripts: &[(&str, &str)], options: EmbeddedOptions) -> Game {
    Game::start_with(options, set(scripts))
}

fn game(scripts: &[(&str, &str)]) -> Game {
    game_of(scripts, EmbeddedOptions { time_budget: Duration::from_secs(5), ..EmbeddedOptions::default() })
}

fn set(scripts: &[(&str, &str)]) -> Arc<ScriptSet> {
    let script = |(name, text): &(&str, &str)| {
        let text = format!("-- ROLE: server\n{text}");
        let header = Header::parse(name, &text).unwrap();
        (Box::from(*name), Arc::new(Script::new(name, "", &text, header)))
    };
    Arc::new(ScriptSet::new(scripts.iter().map(script).collect(), 1))
}

/// Publishes what it is given.
const ECHO: (&str, &str) = (
    "echo",
    "-- KEYS: game:{room}\ngodra.publish('told', {ARGV[1], ARGV[2], tostring(godra.user), godra.room, KEYS[1], #ARGV})",
);

impl Game {
    fn call(&self, room: Option<&str>, text: &str) -> BatchDone {
        let home = room.map_or(0, |room| room[..1].parse().unwrap());
        self.submit(batch(room, home, &[&script(text)]));
        loop {
            if let (_, Delivery::Done(done)) = self.next() {
                assert!(matches!(done.results[0], CallResult::Ok(_)), "{:?}", shown(&done.results));
                return done;
            }
        }
    }

    /// The payloads of so many events that come by themselves, and where they came.
    fn told(&self, count: usize) -> Vec<(ShardId, String)> {
        let mut told = Vec::new();
        while told.len() < count {
            let (shard, events) = self.events();
            let text = format!("[{}]", std::str::from_utf8(&events.text).unwrap());
            let list: Vec<serde_json::Value> = serde_json::from_str(&text).unwrap();
            told.extend(list.iter().map(|event| (shard, event["payload"].to_string())));
        }
        told
    }

    fn count(&self, outcome: MessageOutcome) -> u64 {
        self.metrics.messages.at(outcome).get()
    }
}

#[test]
fn a_message_runs_in_its_room_after_the_call_that_sent_it() {
    let game = game(&[ECHO]);
    let done = game.call(
        Some("1a"),
        "godra.tell('1a', 'echo', {x = 1}) godra.tell('2b', 'echo', 'hi') godra.publish('own', 1)",
    );
    let own = done.events.expect("what the call has published itself");
    assert_eq!(own.ends.len(), 1, "the message runs in a batch of its own");
    let mut told = game.told(2);
    told.sort();
    assert_eq!(told[0], (1, r#"["","{\"x\":1}","nil","1a","game:1a",2]"#.to_owned()));
    assert_eq!(told[1], (2, r#"["","\"hi\"","nil","2b","game:2b",2]"#.to_owned()));
    assert_eq!(game.count(MessageOutcome::Run), 2);
}

#[test]
fn messages_come_in_order_and_timers_at_their_time() {
    let game = game(&[("say", "godra.publish('told', ARGV[2])")]);
    let began = Instant::now();
    game.call(Some("1a"), "for i = 1, 300 do godra.tell('1b', 'say', i) end godra.tell('1b', 'say', 301, {after = 150}) godra.tell('1b', 'say', 302, {after = 120})");
    let told = game.told(302);
    let late = began.elapsed();
    let numbers: Vec<String> = (1..=300).chain([302, 301]).map(|number| format!("\"{number}\"")).collect();
    assert_eq!(told.into_iter().map(|(_, payload)| payload).collect::<Vec<_>>(), numbers);
    assert!(late >= Duration::from_millis(150), "{late:?}");
}

#[test]
fn without_a_room_there_are_messages_too() {
    let game = game(&[
        (
            "index",
            "-- KEYS: lobbies\nredis.call('INCR', KEYS[1]) assert(godra.room == nil) godra.tell('1a', 'back', redis.call('GET', KEYS[1]))",
        ),
        ("back", "godra.publish('told', ARGV[2])"),
    ]);
    game.call(None, "godra.tell(nil, 'index') godra.tell(nil, 'index', 1, {after = 20})");
    assert_eq!(
        game.told(2).iter().map(|(_, told)| &**told).collect::<Vec<_>>(),
        [r#""\"1\"""#, r#""\"2\"""#]
    );
}

#[test]
fn a_message_that_fails_is_used_up_and_has_changed_nothing() {
    let game = game(&[
        (
            "bad",
            "redis.call('INCR', 'n') godra.publish('x', 1) godra.tell('1a', 'say', 'no') error('broken')",
        ),
        ("no", "redis.call('INCR', 'n') godra.error('no', 'refused')"),
        ("say", "godra.publish('told', {ARGV[2], redis.call('GET', 'n')})"),
    ]);
    game.call(Some("1a"), "godra.tell('1a', 'bad') godra.tell('1a', 'no') godra.tell('1a', 'say', 1)");
    assert_eq!(game.told(1), [(1, "[\"1\",false]".to_owned())]);
    assert_eq!((game.count(MessageOutcome::Failed), game.count(MessageOutcome::Run)), (2, 1));
}

#[test]
fn a_message_waits_for_its_script_and_is_used_up_if_that_does_not_come() {
    const SAY: (&str, &str) = ("say", "godra.publish('told', {ARGV[2], godra.cancel('l')})");
    let game = game(&[SAY, ("later", "")]);
    // Messages are due by the clock on the wall, which may be set meanwhile.
    let (told, told_at) = (Instant::now(), SystemTime::now());
    game.call(
        Some("1a"),
        "godra.tell('1a', 'later', 1, {after = 500, name = 'l'}) godra.tell('1a', 'say', 2, {after = 550})",
    );
    game.engine.replace_scripts(set(&[SAY]));
    while game.count(MessageOutcome::Failed) == 0 {
        assert!(told.elapsed() < Duration::from_secs(20), "it is dropped");
        std::thread::sleep(Duration::from_millis(20));
    }
    let waited = told_at.elapsed().unwrap_or_default();
    assert!(waited > Duration::from_millis(UNKNOWN_FOR_MS), "{waited:?}, and {:?} passed", told.elapsed());
    assert_eq!(game.told(1), [(1, "[\"2\",false]".to_owned())]);
    assert_eq!((game.count(MessageOutcome::Failed), game.count(MessageOutcome::Run)), (1, 1));
}

#[test]
fn a_message_runs_when_its_script_comes_and_those_behind_it_then() {
    const SAY: (&str, &str) = ("say", "godra.publish('told', ARGV[2])");
    let game = game(&[SAY, ("later", "")]);
    game.call(
        Some("1a"),
        "for n = 1, 3 do godra.tell('1a', n == 2 and 'later' or 'say', n, {after = 500}) end
        godra.tell('1b', 'say', 4, {after = 550})",
    );
    game.engine.replace_scripts(set(&[SAY]));
    let told = |count: usize| game.told(count).into_iter().map(|(_, told)| told).collect::<Vec<_>>();
    assert_eq!(told(2), ["\"1\"", "\"4\""], "other rooms do not wait");
    game.engine.replace_scripts(set(&[SAY, ("later", SAY.1)]));
    assert_eq!(told(2), ["\"2\"", "\"3\""]);
    assert_eq!(game.count(MessageOutcome::Failed), 0);
}

/// A script is changed so that it needs a room while a message to none waits for it: that fails, and what ran before it stays.
#[test]
fn a_message_that_has_no_room_any_more_undoes_nothing_but_itself() {
    let game = game(&[("say", "godra.publish('told', 1)"), ("index", "")]);
    game.call(None, "godra.tell(nil, 'index', 1, {after = 500})");
    game.engine.replace_scripts(set(&[
        ("index", "-- KEYS: game:{room}"),
        ("say", "godra.publish('told', 1) godra.tell(nil, 'free') godra.tell('1a', 'say2', 0, {after = 20})"),
        ("say2", "godra.publish('told', redis.call('GET', 'free'))"),
        ("free", "redis.call('INCR', 'free')"),
    ]));
    game.call(None, "godra.tell('1a', 'say', 1, {after = 520})");
    let told: Vec<String> = game.told(2).into_iter().map(|(_, told)| told).collect();
    assert_eq!(told, ["1", "\"1\""]);
    assert_eq!(game.count(MessageOutcome::Failed), 1);
}

#[test]
fn a_message_that_an_earlier_one_takes_back_does_not_run() {
    let game = game(&[("say", "godra.publish('told', ARGV[2])"), ("stop", "assert(godra.cancel('t'))")]);
    game.call(
        Some("1a"),
        "godra.tell('1a', 'stop') godra.tell('1a', 'say', 'no', {name = 't'}) godra.tell('1a', 'say', 'yes')",
    );
    assert_eq!(game.told(1), [(1, "\"\\\"yes\\\"\"".to_owned())]);
    assert_eq!(game.count(MessageOutcome::Run), 2);
}

/// A room that tells itself without end takes no more than its turns: others' calls are answered between them.
#[test]
fn a_chain_does_not_hold_players_up() {
    let game = game(&[
        ("again", "redis.call('INCR', 'n') godra.tell(godra.room, 'again') godra.tell(godra.room, 'none')"),
        ("none", ""),
    ]);
    game.call(Some("1a"), "godra.tell('1a', 'again')");
    let began = Instant::now();
    for _ in 0..200 {
        game.call(Some("2b"), "return 1");
    }
    let took = began.elapsed();
    let runs = |game: &Game| game.count(MessageOutcome::Run);
    assert!(took < Duration::from_secs(10), "{took:?}");
    let (before, began) = (runs(&game), Instant::now());
    while began.elapsed() < Duration::from_millis(500) {
        game.call(Some("2b"), "return 1");
    }
    let rounds = began.elapsed().as_millis() as u64 / 50 + 2;
    let ran = runs(&game) - before;
    assert!(ran > 0 && ran <= rounds * MAX_OF_ROUND as u64, "{ran} in {rounds} rounds");
}

#[test]
fn heavy_messages_leave_half_of_the_time_to_others() {
    const HEAVY: Duration = Duration::from_millis(10);
    let options = EmbeddedOptions { time_budget: HEAVY, ..EmbeddedOptions::default() };
    let game = game_of(&[("heavy", "while true do end")], options);
    game.call(Some("1a"), "for i = 1, 100 do godra.tell('1a', 'heavy') end");
    let mut ran_before = Vec::new();
    for _ in 0..20 {
        let before = game.count(MessageOutcome::Failed);
        game.call(Some("2b"), "return 1");
        ran_before.push(game.count(MessageOutcome::Failed) - before);
    }
    ran_before.sort();
    assert!(ran_before[10] <= 3, "a call waits for one of them, not for all: {ran_before:?}");
    assert!(game.count(MessageOutcome::Failed) < 100);
}

#[test]
fn pending_messages_are_kept_in_the_state_file() {
    let folder = tempfile::tempdir().unwrap();
    let start = || {
        let state_file = Some(folder.path().join("state.db"));
        game_of(
            &[("say", "godra.publish('told', ARGV[2])")],
            EmbeddedOptions { state_file, ..EmbeddedOptions::default() },
        )
    };
    let first = start();
    first.call(
        Some("1a"),
        "for _, name in ipairs({'kept', 'no'}) do godra.tell('1a', 'say', name, {after = 300, name = name}) end",
    );
    first.call(Some("1a"), "assert(godra.cancel('no')) godra.tell('1a', 'say', 'first', {after = 200})");
    first.engine.stop();
    drop(first);
    std::thread::sleep(Duration::from_millis(350));
    // What has become due meanwhile runs at once, in order; that it has run is kept, too.
    let second = start();
    assert_eq!(second.told(2), [(1, "\"\\\"first\\\"\"".to_owned()), (1, "\"\\\"kept\\\"\"".to_owned())]);
    second.engine.stop();
    drop(second);
    let third = start();
    third.call(Some("1a"), "assert(not godra.cancel('kept')) godra.tell('1a', 'say', 'now')");
    assert_eq!(third.told(1), [(1, "\"\\\"now\\\"\"".to_owned())]);
}

/// An engine whose clock is the test's own.
struct Timed {
    engine: SteppedEngine,
    clock: Arc<AtomicU64>,
    at: Duration,
}

impl Timed {
    fn start(options: &EmbeddedOptions, clock: &Arc<AtomicU64>) -> Self {
        let scripts = set(&[("again", "godra.tell('1a', 'again', 1, {after = 300})"), ("once", "")]);
        let (deliver, metrics) = (Box::new(Mailboxes(unbounded().0)), Arc::new(Metrics::new()));
        let for_engine = clock.clone();
        let clock_of = Arc::new(move || for_engine.load(Ordering::Relaxed));
        let engine = SteppedEngine::start(options, scripts, deliver, metrics, clock_of).unwrap();
        Self { engine, clock: clock.clone(), at: Duration::ZERO }
    }

    /// How many messages run in that time, in steps of 50 ms.
    fn pass(&mut self, ms: u64) -> usize {
        let mut ran = 0;
        for _ in 0..ms / 50 {
            self.clock.fetch_add(50, Ordering::Relaxed);
            self.at += Duration::from_millis(50);
            let turn = self.engine.begin_messages(self.at, false).unwrap();
            while let Some((_, count)) = self.engine.run_messages(&turn, false) {
                ran += count;
            }
            self.engine.end_messages(&turn);
        }
        ran
    }
}

/// They stood still until the clock had caught up.
#[test]
fn regression_timers_go_on_when_the_clock_is_set_back() {
    const HOUR_MS: u64 = 3_600_000;
    let folder = tempfile::tempdir().unwrap();
    let state_file = Some(folder.path().join("state.db"));
    let options = EmbeddedOptions { state_file, ..EmbeddedOptions::default() };
    let clock = Arc::new(AtomicU64::new(500_000 * HOUR_MS));
    let mut timed = Timed::start(&options, &clock);
    let begin =
        script("godra.tell('1a', 'again', 1, {after = 300}) godra.tell('1a', 'once', 1, {after = 7200000})");
    timed.engine.run(batch(Some("1a"), 1, &[&begin]));
    assert_eq!(timed.pass(900), 3);
    for back_ms in [1001, HOUR_MS, 24 * HOUR_MS] {
        clock.fetch_sub(back_ms, Ordering::Relaxed);
        assert!(timed.engine.messages_wait(timed.at).unwrap() <= Duration::from_millis(300), "{back_ms}");
        assert_eq!(timed.pass(900), 3, "{back_ms}");
    }
    // A little is waited for.
    clock.fetch_sub(600, Ordering::Relaxed);
    assert_eq!(timed.pass(1500), 3);

    timed.engine.stop();
    clock.fetch_sub(HOUR_MS, Ordering::Relaxed);
    timed = Timed::start(&options, &clock);
    assert!(timed.engine.messages_wait(timed.at).unwrap() <= Duration::from_millis(300));
    assert_eq!(timed.pass(900), 3, "after a restart an hour earlier");

    // The other one keeps its delay.
    clock.fetch_add(2 * HOUR_MS - 6 * 900 - 200, Ordering::Relaxed);
    timed.pass(50);
    assert_eq!(timed.engine.pending(), 2);
    timed.pass(400);
    assert_eq!(timed.engine.pending(), 1);
    timed.engine.stop();
}
