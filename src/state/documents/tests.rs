//! The gate in front of the embedded store, with a database in memory.

mod database;
mod forms;
mod ledgers;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, unbounded};

use self::database::Database;
use super::{Departure, DocumentLink, Gate};
use crate::document::{Address, HomeId};
use crate::metrics::Metrics;
use crate::script::{Header, Script, ScriptSet};
use crate::state::embedded::{EmbeddedEngine, EmbeddedOptions};
use crate::state::{
    Batch, BatchDone, Call, CallError, CallResult, Deliver, Delivery, Engine, NotTaken, RoomEvents, ShardId,
};
use crate::wire::ErrorCode;
use crate::wire::ids::{Identity, Role, RoomId};
use crate::wire::message::SharedText;

struct Mailboxes(Sender<Delivery>);

impl Deliver for Mailboxes {
    fn deliver(&mut self, _: ShardId, delivery: Delivery) {
        // The test may have ended already.
        let _ = self.0.send(delivery);
    }

    fn home(&self, _: &RoomId) -> ShardId {
        0
    }
}

struct World {
    gate: Gate,
    deliveries: Receiver<Delivery>,
    database: Database,
}

const LONG: Duration = Duration::from_secs(20);

impl World {
    fn new() -> Self {
        Self::with(Database::default(), EmbeddedOptions::default(), &[])
    }

    fn with(database: Database, options: EmbeddedOptions, scripts: &[Arc<Script>]) -> Self {
        // What the collections mean is said by the scripts of the set.
        let declares = named("declares", HEADER, "return 1");
        let by_name =
            scripts.iter().chain([&declares]).map(|script| (script.name.clone(), script.clone())).collect();
        let scripts = Arc::new(ScriptSet::new(by_name, 1));
        let metrics = Arc::new(Metrics::new());
        let (sender, deliveries) = unbounded();
        let (notices, noticed) = unbounded();
        let link = DocumentLink { database: Arc::new(database.clone()), notices };
        let options = EmbeddedOptions { documents: Some(link), ..options };
        let deliver = || Box::new(Mailboxes(sender.clone()));
        let engine = EmbeddedEngine::start(options, scripts.clone(), deliver(), metrics.clone()).unwrap();
        let gate =
            Gate::start(Arc::new(engine), Arc::new(database.clone()), noticed, &scripts, deliver(), metrics)
                .unwrap();
        Self { gate, deliveries, database }
    }

    fn next(&self) -> Delivery {
        self.deliveries.recv_timeout(LONG).expect("a delivery in time")
    }

    fn done(&self) -> BatchDone {
        match self.next() {
            Delivery::Done(done) => done,
            other => panic!("{other:?} instead of a batch's end"),
        }
    }

    fn submit(&self, room: Option<&str>, calls: Vec<Call>) {
        self.gate.submit(Batch::new(room.and_then(RoomId::parse), calls, 0)).unwrap();
    }

    fn run_as(&self, user: &str, header: &str, text: &str, args: &[&str]) -> Result<String, CallError> {
        self.submit(None, vec![rpc(user, header, text, args)]);
        shown(self.done()).remove(0)
    }

    fn run(&self, text: &str) -> Result<String, CallError> {
        self.run_as("7", HEADER, text, &["8"])
    }

    #[track_caller]
    fn ok(&self, text: &str) -> String {
        self.run(text).unwrap_or_else(|error| panic!("{text}: {error:?}"))
    }

    #[track_caller]
    fn fails(&self, text: &str, code: &str, part: &str) {
        let error = self.run(text).expect_err(text);
        assert!(error.code.as_str() == code && error.message.contains(part), "{text}: {error:?}");
    }

    /// Waits until the database has that value.
    #[track_caller]
    fn await_value(&self, address: &str, expected: Option<&str>) {
        let ends = Instant::now() + LONG;
        while self.database.value(address).as_deref() != expected {
            assert!(Instant::now() < ends, "{address} is {:?}", self.database.value(address));
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

const NOTHING: &str = "local value, version = godra.load('profile/7') return tostring(value) .. version";
const HEADER: &str = "-- DATA: profile/{user}, profile/{arg:1}, world/config v3";

fn identity(user_id: &str) -> Arc<Identity> {
    let (username, role, login) = ("Ann".into(), Role::Player, Default::default());
    Arc::new(Identity { user_id: user_id.into(), username, role, expires_at_s: 0, login })
}

fn named(name: &str, header: &str, text: &str) -> Arc<Script> {
    let text = format!("{header}\n{text}");
    let header = Header::parse(name, &text).expect("valid");
    Arc::new(Script::new(name, format!("{name}.lua"), &text, header))
}

fn rpc(user: &str, header: &str, text: &str, args: &[&str]) -> Call {
    let args = args.iter().map(|argument| argument.as_bytes().into()).collect();
    Call::rpc(named("test", header, text), identity(user), Vec::new(), args)
}

fn input(user: &str, header: &str, text: &str, payload: &str) -> Call {
    Call::input(named("test", header, text), identity(user), SharedText::from(payload.as_bytes()), true)
}

fn shown(done: BatchDone) -> Vec<Result<String, CallError>> {
    let show = |result| match result {
        CallResult::Ok(json) => Ok(String::from_utf8(json.to_vec()).unwrap()),
        CallResult::Err(error) => Err(error),
        CallResult::NotRun(_) => Ok("not run".to_owned()),
        CallResult::Skipped => Ok("skipped".to_owned()),
    };
    done.results.into_iter().map(show).collect()
}

fn address(text: &str) -> Address {
    Address::parse(text).expect("valid")
}

#[test]
fn what_is_saved_lasts_without_the_store() {
    let world = World::new();
    assert_eq!(world.ok(NOTHING), r#""nil0""#);
    assert_eq!(world.ok("return godra.save('profile/7', {bag = {5, 'b'}})"), "1");
    let loaded =
        "local value, version = godra.load('profile/7') return {value.bag[1], value.bag[2], version}";
    assert_eq!(world.ok(loaded), r#"[5,"b",1]"#);
    world.await_value("profile/7", Some(r#"{"bag":[5,"b"]}"#));
    let database = world.database.clone();
    let saved = database.state().documents[&address("profile/7")].clone();
    assert_eq!((saved.version, saved.owner.as_deref(), saved.schema), (1, Some("7"), 1));
    // Hot documents are asked for once.
    assert_eq!(database.state().fetches.len(), 1);
    drop(world);
    assert!(database.state().homes.is_empty(), "a store that ends lets all go");
    let another = World::with(database, EmbeddedOptions::default(), &[]);
    assert_eq!(another.ok(loaded), r#"[5,"b",1]"#);
    assert_eq!(another.ok("return tostring(godra.delete('profile/7'))"), r#""true""#);
    assert_eq!(another.ok(NOTHING), r#""nil0""#);
    assert_eq!(another.ok("return tostring(godra.delete('profile/7'))"), r#""false""#);
    another.await_value("profile/7", None);
    // Its versions go on.
    assert_eq!(another.ok("return godra.save('profile/7', 1, {version = 0})"), "3");
}

#[test]
fn a_script_reads_its_own_saves_and_a_failed_call_has_saved_nothing() {
    let world = World::new();
    let twice = "godra.save('profile/7', 1) godra.save('profile/7', 2) local v, n = godra.load('profile/7') return {v, n}";
    assert_eq!(world.ok(twice), "[2,2]");
    world.await_value("profile/7", Some("2"));
    world.fails("godra.save('profile/7', 3) godra.error('no', 'no')", "no", "no");
    assert_eq!(world.ok("return {godra.load('profile/7')}"), "[2,2]");
    let header = format!("{HEADER}\n-- ATOMIC: off");
    let error = world.run_as("7", &header, "godra.save('profile/7', 4) godra.error('no', 'no')", &["8"]);
    assert_eq!(error.unwrap_err().code.as_str(), "no");
    world.await_value("profile/7", Some("4"));
    // A fresh copy each time.
    world.ok("local a = godra.load('world/config') godra.save('world/config', {x = 1}) return a");
    assert_eq!(
        world.ok("local a = godra.load('world/config') a.x = 2 return godra.load('world/config').x"),
        "1"
    );
    world.await_value("world/config", Some(r#"{"x":1}"#));
    assert_eq!(world.database.state().documents[&address("world/config")].schema, 3);
}

#[test]
fn versions() {
    let world = World::new();
    assert_eq!(world.ok("return godra.save('profile/7', 'a', {version = 0})"), "1");
    world.fails("godra.save('profile/7', 'b', {version = 0})", "conflict", "has version 1, and not 0");
    world.fails("godra.delete('profile/7', {version = 2})", "conflict", "has version 1, and not 2");
    world.fails("godra.delete('world/config', {version = 2})", "conflict", "there is no world/config");
    let caught =
        "local ok, e = pcall(godra.save, 'profile/7', 'b', {version = 9}) return {tostring(ok), e.code}";
    assert_eq!(world.ok(caught), r#"["false","conflict"]"#);
    assert_eq!(world.ok("return godra.save('profile/7', 'b', {version = 1})"), "2");
}

#[test]
fn bad_input_says_what_is_right() {
    let world = World::new();
    let fails = |text: &str, part: &str| world.fails(text, "script_error", part);
    fails(
        "godra.load('profile/9')",
        "this call has no document profile/9: -- DATA: has profile/7, profile/8, world/config",
    );
    fails("godra.save('profile/9', 1)", "no document profile/9");
    fails("godra.delete('')", "no document ");
    fails("godra.load()", "bad argument #1");
    fails("godra.load({})", "bad argument #1");
    fails("godra.save('profile/7')", "godra.delete removes a document");
    fails("godra.save('profile/7', cjson.null)", "godra.delete removes a document");
    fails("godra.save('profile/7', print)", "Cannot serialise");
    fails("godra.save('profile/7', 0/0)", "Cannot serialise");
    fails("local t = {} t.t = t godra.save('profile/7', t)", "excessive nesting");
    fails("local t = {} for _ = 1, 40 do t = {t} end godra.save('profile/7', t)", "at most 32 levels");
    fails(
        "godra.save('profile/7', string.rep('x', 262143))",
        "at most 262144 bytes of JSON, this one has 262145",
    );
    fails("godra.save('profile/7', '\\255')", "UTF-8");
    for version in ["1.5", "-1", "'1'", "{}", "0/0"] {
        fails(&format!("godra.save('profile/7', 1, {{version = {version}}})"), "version: a whole number");
    }
    fails("godra.save('profile/7', 1, {owner = ''})", "bad option owner: a user's id");
    fails("godra.save('profile/7', 1, {ownr = '7'})", "no option \"ownr\"");
    fails("godra.save('profile/7', 1, 5)", "a table of options");
    fails(
        "return redis.call('GET', 'godra:data:doc:profile/7')",
        "keys that begin with godra:data: are the server's",
    );
    fails("return redis.call('DEL', 'x', 'godra:data:home')", "the server's");
    assert_eq!(world.ok("return redis.call('SET', 'x', 'godra:data:home')"), "\"OK\"");
    assert_eq!(world.ok("return godra.save('profile/7', string.rep('x', 262142))"), "1");
}

#[test]
fn the_owner_rule() {
    let world = World::new();
    world.database.put("profile/8", 4, Some("8"), "1");
    world.fails(
        "godra.save('profile/8', 2)",
        "script_error",
        "profile/8 is owned by 8: say owner = '8' to write it",
    );
    world.fails("godra.delete('profile/8')", "script_error", "owned by 8");
    assert_eq!(world.ok("return godra.save('profile/8', 2, {owner = '8'})"), "5");
    assert_eq!(world.ok("return godra.save('profile/8', 3, {owner = '8', new_owner = '7'})"), "6");
    assert_eq!(world.ok("return godra.save('profile/8', 4)"), "7");
    // Nobody's.
    assert_eq!(world.ok("return godra.save('world/config', 1)"), "1");
    assert_eq!(world.run_as("9", HEADER, "return godra.save('world/config', 2)", &["8"]), Ok("2".into()));
    let hostile = world.run_as("9", HEADER, "return godra.save('profile/7', 2)", &["7/../8"]).unwrap_err();
    assert!(hostile.code == ErrorCode::BadRequest && hostile.message.contains("args[1]"), "{hostile:?}");
}

#[test]
fn a_fetch_that_fails_ends_the_calls_that_need_it() {
    let world = World::new();
    world.database.state().is_away = true;
    let calls =
        vec![rpc("7", "-- DATA: profile/{user}", "return 'data'", &[]), rpc("7", "", "return 'none'", &[])];
    world.submit(Some("r"), calls);
    let results = shown(world.done());
    let refused = results[0].as_ref().unwrap_err();
    assert!(refused.is_unavailable() && refused.message.contains("not available"), "{refused:?}");
    assert_eq!(results[1].as_deref(), Ok("\"none\""));
    world.database.state().is_away = false;
    world.database.state().homes.insert(address("profile/8"), HomeId::random());
    let held = world.run_as("9", "-- DATA: profile/{arg:1}", "return 1", &["8"]).unwrap_err();
    assert!(held.is_unavailable() && held.message.contains("in use in another store"), "{held:?}");
}

#[test]
fn hot_documents_go_on_while_the_database_is_away_and_drain_in_order() {
    let world = World::new();
    world.ok("return godra.save('profile/7', 0)");
    world.await_value("profile/7", Some("0"));
    world.database.state().is_away = true;
    for number in 1..=50 {
        world.ok(&format!("return godra.save('profile/7', {number})"));
    }
    let cold = world.run_as("9", "-- DATA: profile/{user}", "return 1", &[]).unwrap_err();
    assert!(cold.is_unavailable(), "{cold:?}");
    assert_eq!(world.database.value("profile/7").as_deref(), Some("0"));
    world.database.state().is_away = false;
    world.await_value("profile/7", Some("50"));
    let transactions = world.database.state().transactions.clone();
    assert_eq!(transactions.iter().sum::<usize>(), 51);
    assert!(transactions.len() < 20, "entries that have gathered go together: {transactions:?}");
}

#[test]
fn a_save_that_another_home_has_overtaken_is_lost_and_fetched_anew() {
    let world = World::new();
    world.ok("return godra.save('profile/7', 1)");
    world.await_value("profile/7", Some("1"));
    world.database.put("profile/7", 9, Some("7"), "9");
    world.database.state().homes.clear();
    let durable = "-- DATA: profile/{user}\n-- DURABLE: on";
    let lost = world.run_as("7", durable, "return godra.save('profile/7', 2)", &[]).unwrap_err();
    assert!(lost.is_unavailable() && lost.message.contains("is lost"), "{lost:?}");
    // The gate may hear of it a moment later.
    let ends = Instant::now() + LONG;
    let found = loop {
        match world.run_as("7", durable, "return {godra.load('profile/7')}", &[]) {
            Err(error) if error.is_unavailable() && Instant::now() < ends => {}
            found => break found,
        }
    };
    assert_eq!(found, Ok("[9,9]".into()));
    assert_eq!(world.ok("return godra.save('profile/7', 10)"), "10");
    world.await_value("profile/7", Some("10"));
}

#[test]
fn a_durable_call_waits_for_the_database_and_so_do_its_events_and_what_is_behind_them() {
    let world = World::new();
    let durable = "-- DATA: profile/{user}\n-- DURABLE: on";
    assert_eq!(world.run_as("7", durable, "return godra.save('profile/7', 1)", &[]), Ok("1".into()));
    assert_eq!(world.database.value("profile/7").as_deref(), Some("1"));
    world.database.state().is_frozen = true;
    let save = "godra.publish('saved', 1) return godra.save('profile/7', 2)";
    world.submit(Some("r"), vec![input("7", durable, save, "null")]);
    world.submit(Some("r"), vec![input("8", "", "godra.publish('behind', 2) return 2", "null")]);
    world.submit(Some("other"), vec![input("8", "", "return 3", "null")]);
    // Other rooms go on.
    let done = world.done();
    assert_eq!(done.room.as_ref().map(RoomId::as_str), Some("other"));
    assert!(world.deliveries.recv_timeout(Duration::from_millis(100)).is_err());
    world.database.thaw();
    let types = |events: &Option<Arc<RoomEvents>>| {
        let events = events.as_ref().expect("events");
        String::from_utf8_lossy(&events.text).into_owned()
    };
    let (first, second) = (world.done(), world.done());
    assert!(types(&first.events).contains("saved") && types(&second.events).contains("behind"));
    assert_eq!((shown(first), shown(second)), (vec![Ok("2".into())], vec![Ok("2".into())]));
    // One that saves nothing waits for nothing.
    world.database.state().is_frozen = true;
    assert_eq!(world.run_as("7", durable, "return godra.load('profile/7')", &[]), Ok("2".into()));
}

#[test]
fn a_batch_waits_for_its_documents_and_its_calls_run_in_order() {
    let world = World::new();
    world.database.state().is_frozen = true;
    let text = "godra.state.incr('n') return godra.state.get('n')";
    let calls = vec![rpc("7", "", text, &[]), rpc("7", HEADER, text, &["8"]), rpc("9", "", text, &[])];
    world.submit(Some("r"), calls);
    assert!(world.deliveries.recv_timeout(Duration::from_millis(200)).is_err());
    world.database.thaw();
    assert_eq!(shown(world.done()), [Ok("1".into()), Ok("2".into()), Ok("3".into())]);
}

#[test]
fn inputs_do_not_hold_up_their_room() {
    let world = World::new();
    world.database.state().is_frozen = true;
    let data = "-- DATA: profile/{user}";
    let calls = || {
        vec![
            input("8", "", "return 1", "null"),
            input("7", data, "return 2", "null"),
            input("7", "", "return 3", "null"),
            input("8", "", "return 4", "null"),
        ]
    };
    let submit = |calls| {
        let batch = Batch { may_give_back: true, ..Batch::new(RoomId::parse("r"), calls, 0) };
        world.gate.submit(batch).unwrap();
        world.done()
    };
    let mut done = submit(calls());
    let mut results = Vec::new();
    let mut back = Vec::new();
    for result in std::mem::take(&mut done.results) {
        match result {
            CallResult::NotRun(call) => back.push(*call),
            CallResult::Ok(json) => results.push(json),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((results.len(), back.len()), (2, 2), "what waits, and what is behind it of the same player");
    world.database.thaw();
    let ends = Instant::now() + LONG;
    while !back.is_empty() {
        assert!(Instant::now() < ends);
        let done = submit(back);
        back = Vec::new();
        for result in done.results {
            match result {
                CallResult::NotRun(call) => back.push(*call),
                CallResult::Ok(json) => results.push(json),
                other => panic!("{other:?}"),
            }
        }
    }
    assert_eq!(results, ["1", "4", "2", "3"]);
}

#[test]
fn a_user_has_so_many_documents_fetched_and_no_more() {
    let world = World::new();
    world.database.state().is_frozen = true;
    let one = |number: usize| rpc("7", "-- DATA: profile/{arg:1}", "return 1", &[&format!("x{number}")]);
    for number in 0..super::table::MAX_FETCHING_OF_USER {
        world.submit(None, vec![one(number)]);
    }
    world.submit(None, vec![one(1000)]);
    let refused = shown(world.done()).remove(0).unwrap_err();
    assert!(refused.code == ErrorCode::Busy && refused.message.contains("for you"), "{refused:?}");
    // Nobody else minds.
    world.submit(None, vec![rpc("8", "-- DATA: profile/{user}", "return 8", &[])]);
    world.database.thaw();
    let count = super::table::MAX_FETCHING_OF_USER + 1;
    let results: Vec<_> = (0..count).map(|_| shown(world.done()).remove(0).unwrap()).collect();
    assert!(results.contains(&"8".to_owned()));
    assert_eq!(world.database.state().fetches.iter().map(Vec::len).sum::<usize>(), count);
}

#[test]
fn so_many_batches_are_parked_and_no_more() {
    let world = World::new();
    world.database.state().is_frozen = true;
    let batch = || Batch::new(None, vec![rpc("7", "-- DATA: profile/{user}", "return 1", &[])], 0);
    for _ in 0..super::table::MAX_PARKED {
        world.gate.submit(batch()).unwrap();
    }
    let refused = world.gate.submit(batch()).unwrap_err();
    assert_eq!(refused.reason, NotTaken::Busy);
    assert_eq!(world.gate.queue_depth(), super::table::MAX_PARKED);
    let World { gate, deliveries, database } = world;
    drop(gate);
    let told = deliveries.try_iter().count();
    assert_eq!(told, super::table::MAX_PARKED, "each is told that the server stops");
    assert_eq!(database.state().fetches.len(), 1);
}

#[test]
fn what_another_home_wants_is_let_go_once_it_is_written() {
    let world = World::new();
    world.ok("return godra.save('profile/7', 1)");
    world.await_value("profile/7", Some("1"));
    world.database.state().is_frozen = true;
    world.ok("return godra.save('profile/7', 2)");
    world.database.state().wanted = vec![address("profile/7"), address("elsewhere/1")];
    let ends = Instant::now() + LONG;
    while !world.database.state().wanted.is_empty() {
        assert!(Instant::now() < ends);
        std::thread::sleep(Duration::from_millis(5));
    }
    std::thread::sleep(Duration::from_millis(50));
    assert!(world.database.state().homes.contains_key(&address("profile/7")), "what is not written stays");
    world.database.thaw();
    world.await_value("profile/7", Some("2"));
    world.database.state().wanted = vec![address("profile/7")];
    while world.database.state().homes.contains_key(&address("profile/7")) {
        assert!(Instant::now() < ends);
        std::thread::sleep(Duration::from_millis(5));
    }
    world.database.put("profile/7", 5, Some("7"), "5");
    assert_eq!(world.ok("return {godra.load('profile/7')}"), "[5,5]");
}

fn with_file(file: &std::path::Path) -> EmbeddedOptions {
    EmbeddedOptions { state_file: Some(PathBuf::from(file)), ..EmbeddedOptions::default() }
}

#[test]
fn what_was_saved_and_not_written_comes_back_with_the_state_file() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("state.db");
    let database = Database::default();
    let world = World::with(database.clone(), with_file(&file), &[]);
    world.ok("return godra.save('profile/7', 1)");
    world.await_value("profile/7", Some("1"));
    database.state().is_away = true;
    world.ok("return godra.save('profile/7', 2)");
    world.ok("godra.save('profile/7', 3) godra.save('world/config', 'x')");
    let homes = world.gate.document_home(0);
    drop(world);
    assert_eq!(database.value("profile/7").as_deref(), Some("1"));
    database.state().is_away = false;
    let world = World::with(database.clone(), with_file(&file), &[]);
    assert_eq!(world.gate.document_home(0), homes, "the store is the same home");
    world.await_value("profile/7", Some("3"));
    world.await_value("world/config", Some("\"x\""));
    assert_eq!(world.ok("return {godra.load('profile/7')}"), "[3,3]");
    assert_eq!(world.ok("return godra.save('profile/7', 4)"), "4");
    world.await_value("profile/7", Some("4"));
}

#[test]
fn without_a_state_file_an_end_in_order_writes_all_that_was_saved() {
    let database = Database::default();
    let world = World::with(database.clone(), EmbeddedOptions::default(), &[]);
    world.ok("godra.load('world/config')");
    database.state().is_frozen = true;
    for number in 0..20 {
        world.ok(&format!("godra.save('world/config', {number})"));
    }
    let for_later = database.clone();
    let thawing = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(50));
        for_later.thaw();
    });
    world.gate.stop();
    thawing.join().unwrap();
    assert!(world.gate.has_kept_all());
    assert_eq!(database.value("world/config").as_deref(), Some("19"));
}

#[test]
fn messages_wait_for_their_documents() {
    let wake = named(
        "wake",
        "-- ROLE: server\n-- DATA: profile/{arg:who}, match/{room}",
        "local v = godra.load('profile/' .. godra.payload.who) godra.save('match/r', {saw = v})",
    );
    let world = World::with(Database::default(), EmbeddedOptions::default(), &[wake]);
    world.database.put("profile/7", 3, Some("7"), "33");
    world.database.state().is_frozen = true;
    let tell = "godra.tell('r', 'wake', {who = 'a/b'}) godra.tell('r', 'wake', {who = '7'})";
    world.submit(Some("r"), vec![rpc("7", "", tell, &[])]);
    assert_eq!(shown(world.done()), [Ok("null".into())]);
    std::thread::sleep(Duration::from_millis(100));
    world.database.thaw();
    // The first names no document, and is gone.
    world.await_value("match/r", Some(r#"{"saw":33}"#));
    assert_eq!(world.database.state().documents[&address("match/r")].version, 1);
}

#[test]
fn hot_documents_take_half_of_the_store_at_most() {
    let options = EmbeddedOptions { store_bytes: 4 << 20, ..EmbeddedOptions::default() };
    let world = World::with(Database::default(), options, &[]);
    let large = format!("\"{}\"", "x".repeat(200 << 10));
    for number in 0..40 {
        world.database.put(&format!("profile/x{number}"), 1, None, &large);
    }
    for number in 0..40 {
        let id = format!("x{number}");
        let found = world.run_as(
            "7",
            "-- DATA: profile/{arg:1}",
            "return #godra.load('profile/' .. ARGV[2])",
            &[&id],
        );
        assert_eq!(found, Ok((200 << 10).to_string()), "{id}");
    }
    let hot = world.database.state().homes.len();
    assert!(hot < 12, "others had to go: {hot}");
    assert_eq!(world.ok("return redis.call('SET', 'x', string.rep('x', 500000))"), "\"OK\"");
}

#[test]
fn too_much_in_the_outbox_refuses_saves() {
    let world = World::new();
    world.database.state().documents.clear();
    world.ok("return godra.save('profile/7', 1)");
    world.await_value("profile/7", Some("1"));
    world.database.state().is_away = true;
    let save = "return godra.save('profile/7', string.rep('x', 262000))";
    let mut count = 0;
    let refused = loop {
        match world.run(save) {
            Ok(_) => count += 1,
            Err(error) => break error,
        }
        assert!(count < 1000);
    };
    assert!(refused.is_unavailable() && refused.message.contains("too much waits"), "{refused:?}");
    assert_eq!(count, (64 << 20) / 262_011);
    // Reading goes on, and so does all else.
    assert_eq!(world.ok("return #godra.load('profile/7')"), "262000");
    world.database.state().is_away = false;
    let ends = Instant::now() + LONG;
    while world.run(save).is_err() {
        assert!(Instant::now() < ends);
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn documents_that_nobody_uses_are_let_go() {
    use super::Installed;
    use super::table::{Admission, IDLE, Table, Todo};
    use crate::document::Document;
    let began = Instant::now();
    let at = |seconds| began + Duration::from_secs(seconds);
    let mut table = Table::default();
    let admit = |table: &mut Table, now| {
        let batch = Batch::new(None, vec![rpc("7", "-- DATA: profile/{user}", "return 1", &[])], 0);
        let mut todo = Todo::default();
        (matches!(table.admit(batch, (None, 0), now, &mut todo), Admission::Ready(_)), todo.fetch)
    };
    let profile = address("profile/7");
    assert_eq!(admit(&mut table, at(0)), (false, vec![(0, vec![profile.clone()])]));
    let mut todo = Todo::default();
    let there = Document { version: 1, value: Some("1".into()), ..Document::absent(profile.clone()) };
    let fetched = vec![(profile.clone(), Ok(there))];
    assert_eq!(table.fetched(0, fetched, at(1), &mut todo).len(), 1);
    table.installed(0, vec![(profile.clone(), Installed::Done)], at(1), &mut todo);
    assert_eq!((todo.ready.len(), table.hot(), table.parked()), (1, 1, 0));
    let idle = IDLE.as_secs();
    assert_eq!(admit(&mut table, at(100)), (true, Vec::new()));
    for second in [idle, idle + 1, idle + 99] {
        table.time(at(second), &mut todo);
        assert!(todo.let_go.is_empty(), "{second}");
    }
    table.time(at(idle + 100), &mut todo);
    assert_eq!(todo.let_go, [(0, vec![profile.clone()], Departure::Idle)]);
    // Who comes meanwhile waits, and has it fetched anew.
    assert_eq!(admit(&mut table, at(idle + 100)), (false, Vec::new()));
    let mut todo = Todo::default();
    let all = [profile.clone()];
    table.let_go(0, &all, &all, at(idle + 101), &mut todo);
    assert_eq!((todo.gone, todo.fetch), (vec![(0, vec![profile.clone()])], vec![(0, vec![profile.clone()])]));
    // One that the store has lost is fetched again when it is wanted.
    let mut todo = Todo::default();
    table.installed(0, vec![(profile.clone(), Installed::Done)], at(idle + 102), &mut todo);
    table.missing(0, vec![profile.clone()]);
    assert_eq!(admit(&mut table, at(idle + 103)), (false, vec![(0, vec![profile])]));
}

/// A caller may name as many as it likes of which none is there.
#[test]
fn documents_that_are_not_there_are_let_go_soon_and_those_that_are_are_kept() {
    use super::Installed;
    use super::table::{ABSENT_IDLE, IDLE, Table, Todo};
    use crate::document::Document;
    let began = Instant::now();
    let mut table = Table::default();
    let [absent, present] = [address("season/none"), address("season/one")];
    let mut todo = Todo::default();
    table.needed(0, vec![absent.clone(), present.clone()], began, &mut todo);
    let there = Document { version: 1, value: Some("1".into()), ..Document::absent(present.clone()) };
    let fetched = vec![(absent.clone(), Ok(Document::absent(absent.clone()))), (present.clone(), Ok(there))];
    table.fetched(0, fetched, began, &mut todo);
    let installed = [&absent, &present].map(|one| (one.clone(), Installed::Done));
    table.installed(0, installed.into(), began, &mut todo);
    assert_eq!(table.hot(), 2);
    let mut todo = Todo::default();
    table.time(began + ABSENT_IDLE - Duration::from_millis(1), &mut todo);
    assert!(todo.let_go.is_empty());
    table.time(began + ABSENT_IDLE, &mut todo);
    assert_eq!(todo.let_go, [(0, vec![absent.clone()], Departure::Idle)]);
    // Should it have been saved meanwhile, it stays until nobody has used it for longer.
    let now = began + ABSENT_IDLE;
    table.let_go(0, std::slice::from_ref(&absent), &[], now, &mut todo);
    let mut todo = Todo::default();
    table.time(began + IDLE - Duration::from_millis(1), &mut todo);
    assert!(todo.let_go.is_empty() && table.hot() == 2);
    table.time(now + IDLE, &mut todo);
    assert_eq!(todo.let_go.iter().map(|(_, all, _)| all.len()).sum::<usize>(), 2);
}

#[test]
fn what_the_table_takes_is_counted() {
    use godra_engine::counting::held_bytes;

    use super::Installed;
    use super::table::{ABSENT_IDLE, Table, Todo};
    use crate::document::Document;
    for count in [100, 1_000, 7_000, 30_000] {
        let (before, began) = (held_bytes(), Instant::now());
        let mut table = Table::default();
        let compare = |table: &Table, what: &str| {
            let (held, counted) = ((held_bytes() - before) as f64, table.memory_bytes() as f64);
            let is_near = (held - counted).abs() <= held * 0.15 + 4_000.0;
            assert!(is_near, "{what} {count}: counted {counted}, held {held}");
        };
        for number in 0..count {
            let one = address(&format!("season/a-name-that-somebody-has-thought-of-{number}"));
            let mut todo = Todo::default();
            table.needed(0, vec![one.clone()], began, &mut todo);
            table.fetched(0, vec![(one.clone(), Ok(Document::absent(one.clone())))], began, &mut todo);
            table.installed(0, vec![(one, Installed::Done)], began, &mut todo);
        }
        compare(&table, "all of");
        while table.hot() > 0 {
            let mut todo = Todo::default();
            table.time(began + ABSENT_IDLE, &mut todo);
            for (store, asked, _) in todo.let_go {
                table.let_go(store, &asked, &asked, began, &mut Todo::default());
            }
        }
        table.time(began + ABSENT_IDLE, &mut Todo::default());
        compare(&table, "none of");
        assert!(table.memory_bytes() < 200_000, "{}", table.memory_bytes());
    }
}

/// Whoever names what nobody has leaves nothing behind, in the store or in the database.
#[test]
fn names_of_documents_that_are_not_there_leave_nothing() {
    let world = World::new();
    let homes = || world.database.state().homes.len();
    for number in 0..300 {
        let id = number.to_string();
        let found = world.run_as("7", "-- DATA: season/{arg:1}", "return 1", &[&id]);
        assert_eq!(found, Ok("1".to_owned()));
    }
    assert!(homes() > 0);
    let ends = Instant::now() + LONG;
    while homes() > 0 {
        assert!(Instant::now() < ends, "{} are left", homes());
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Calls wait meanwhile, or one save after another would keep it here; but not for long, should the database not take them.
#[test]
fn what_is_wanted_and_not_written_yet_is_asked_for_again() {
    use super::Installed;
    use super::table::{Admission, Table, Todo};
    use crate::document::Document;
    let began = Instant::now();
    let at = |ms| began + Duration::from_millis(ms);
    let mut table = Table::default();
    let admit = |table: &mut Table, now| {
        let batch = Batch::new(None, vec![rpc("7", "-- DATA: profile/{user}", "return 1", &[])], 0);
        matches!(table.admit(batch, (None, 0), now, &mut Todo::default()), Admission::Ready(_))
    };
    let all = [address("profile/7")];
    let asked = vec![(0, all.to_vec(), Departure::Wanted)];
    let mut todo = Todo::default();
    assert!(!admit(&mut table, at(0)));
    table.fetched(0, vec![(all[0].clone(), Ok(Document::absent(all[0].clone())))], at(0), &mut todo);
    table.installed(0, vec![(all[0].clone(), Installed::Done)], at(0), &mut todo);
    for kept in [true, false] {
        let (begins, mut todo) = (if kept { 100 } else { 10_000 }, Todo::default());
        table.wanted(0, all.to_vec(), at(begins), &mut todo);
        assert_eq!(todo.let_go, asked);
        assert!(!admit(&mut table, at(begins)), "calls wait");
        let mut todo = Todo::default();
        table.let_go(0, &all, &[], at(begins + 5), &mut todo);
        table.time(at(begins + 10), &mut todo);
        assert!(todo.let_go.is_empty() && todo.ready.is_empty());
        table.time(at(begins + 25), &mut todo);
        assert_eq!((&todo.let_go, todo.ready.len()), (&asked, 0));
        let mut todo = Todo::default();
        if kept {
            table.let_go(0, &all, &[], at(begins + 1000), &mut todo);
            assert_eq!((todo.ready.len(), table.hot()), (1, 1), "the game goes on");
        } else {
            table.let_go(0, &all, &all, at(begins + 30), &mut todo);
            assert_eq!((todo.gone, todo.fetch), (vec![(0, all.to_vec())], vec![(0, all.to_vec())]));
        }
    }
}
