//! The store, its file and the thread between them; the file is the real one.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use smol_str::SmolStr;
use tempfile::TempDir;

use super::*;
use crate::state::embedded::events::RoomPosition;
use crate::state::embedded::numbered::LastRun;
use crate::state::{Audience, KeptEvents, Position, RoomEvents};
use crate::wire::ids::{Identity, Role, RoomId};
use godra_engine::keyspace::{Context, Keyspace};
use godra_engine::reply::{ReplyBuffer, Value as Answer};

const CONTEXT: Context = Context { now_ms: 1000, from_script: false };

struct World {
    folder: TempDir,
    metrics: Arc<Metrics>,
}

/// A store and who keeps it.
struct Store {
    keyspace: Keyspace,
    checkpointer: Checkpointer,
    members: Vec<Member>,
    inputs: Vec<(RoomId, SmolStr, LastRun)>,
    now: Instant,
}

impl World {
    fn new() -> Self {
        Self { folder: TempDir::new().unwrap(), metrics: Arc::new(Metrics::new()) }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("state.db")
    }

    fn open(&self) -> Store {
        let Restored { contents, checkpointer } = restore(&self.path(), 1, self.metrics.clone()).unwrap();
        let Contents { keyspace, members, inputs, .. } = contents;
        Store { keyspace, checkpointer, members, inputs, now: Instant::now() }
    }

    /// A store whose file has no room for more pages.
    fn open_full(&self, pages: i64) -> Store {
        let (file, mut contents) = StateFile::open(&self.path(), 1).unwrap();
        file.limit_pages(pages);
        contents.keyspace.track_changes(true);
        let now = Instant::now();
        let checkpointer = Checkpointer::new(writer::start(file, self.metrics.clone()).unwrap(), now);
        let Contents { keyspace, members, inputs, .. } = contents;
        Store { keyspace, checkpointer, members, inputs, now }
    }

    fn writes(&self) -> u64 {
        self.metrics.state_file_writes.get()
    }
}

impl Store {
    fn run(&mut self, command: &str) -> String {
        let mut reply = ReplyBuffer::default();
        let arguments: Vec<&[u8]> = command.split(' ').map(str::as_bytes).collect();
        self.keyspace.execute(&arguments, &CONTEXT, &mut reply);
        let text = |answer| match answer {
            Answer::Bulk(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            other => format!("{other:?}"),
        };
        reply.values().map(text).collect::<Vec<_>>().join(" ")
    }

    /// Lets time pass for the checkpointer until a condition holds.
    fn tick_until(&mut self, is_it: impl Fn() -> bool) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while !is_it() {
            assert!(Instant::now() < deadline, "it does not come");
            self.now += Duration::from_millis(100);
            self.checkpointer.tick(self.now, &mut self.keyspace);
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    fn finish(mut self) {
        self.checkpointer.finish(&mut self.keyspace, &[]);
    }
}

fn ada() -> Arc<Identity> {
    Arc::new(Identity {
        user_id: "7".into(),
        username: "Ada of x".into(),
        role: Role::Player,
        expires_at_s: 9,
        login: Default::default(),
    })
}

fn room(id: &str) -> RoomId {
    RoomId::parse(id).unwrap()
}

#[test]
fn what_changed_is_written_between_calls_and_at_the_end() {
    let world = World::new();
    let mut store = world.open();
    store.run("SET a 1");
    store.run("RPUSH b x y");
    store.tick_until(|| world.writes() == 1);
    store.run("DEL a");
    store.run("SET c 3");
    store.finish();
    assert_eq!(world.writes(), 2);
    let mut store = world.open();
    assert_eq!(store.keyspace.len(), 2);
    assert!(store.run("LRANGE b 0 -1").ends_with("x y"));
    assert_eq!(store.run("GET c"), "3");
}

#[test]
fn a_store_at_rest_writes_nothing() {
    let world = World::new();
    let mut store = world.open();
    store.run("SET a 1");
    store.tick_until(|| world.writes() == 1);
    for _ in 0..100 {
        store.now += Duration::from_millis(100);
        store.checkpointer.tick(store.now, &mut store.keyspace);
    }
    let longest = Duration::from_secs(9);
    assert_eq!(store.checkpointer.wait(store.now, &store.keyspace, longest), longest);
    store.run("SET a 2");
    assert!(store.checkpointer.wait(store.now, &store.keyspace, longest) < Duration::from_secs(1));
    assert_eq!(world.writes(), 1);
}

#[test]
fn a_flush_takes_everything_out_of_the_file() {
    let world = World::new();
    let mut store = world.open();
    store.run("MSET a 1 b 2");
    store.tick_until(|| world.writes() == 1);
    store.run("FLUSHALL");
    store.run("SET b 3");
    store.finish();
    let mut store = world.open();
    assert_eq!(store.keyspace.len(), 1);
    assert_eq!(store.run("GET b"), "3");
}

/// More than fits SQLite's cache, so that much of it goes to the disk before the transaction's end.
#[test]
fn a_large_cut_is_one_transaction() {
    let world = World::new();
    let mut store = world.open();
    let value = "x".repeat(3000);
    for key in 0..5000 {
        store.run(&format!("SET key:{key} {value}"));
    }
    store.tick_until(|| world.writes() == 1);
    store.finish();
    assert_eq!(world.open().keyspace.len(), 5000);
}

/// What could not be written is written later, with its newest values, and nothing is lost.
#[test]
fn a_full_file_is_tried_again() {
    let world = World::new();
    let mut store = world.open();
    store.run("MSET old 1 gone 1");
    store.checkpointer.entered(&room("r"), &ada());
    store.finish();

    let mut store = world.open_full(8);
    let value = "x".repeat(100_000);
    store.run(&format!("SET large {value}"));
    store.run("SET old 2");
    store.run("FLUSHALL");
    store.run(&format!("SET large {value}"));
    store.run("SET other 1");
    store.checkpointer.left(&room("r"), &ada());
    store.checkpointer.entered(&room("s"), &ada());
    store.tick_until(|| world.metrics.state_file_errors.get() >= 2);
    // What changes meanwhile counts, and what does not fit is taken back.
    store.run("SET other 2");
    store.run("DEL large");
    store.tick_until(|| world.writes() == 2);
    store.finish();

    let mut store = world.open();
    assert_eq!(store.keyspace.len(), 1, "the flush was not forgotten");
    assert_eq!(store.run("GET other"), "2");
    let members: Vec<_> = store.members.iter().map(|member| member.room.as_str()).collect();
    assert_eq!(members, ["s"]);
}

/// Two events of room `r` behind the ninth, each with something of its own.
fn events() -> RoomEvents {
    let audience = Audience::AllBut(["7", "guest:a"].into_iter().map(SmolStr::new).collect());
    RoomEvents {
        room: room("r"),
        epoch: u64::MAX - 1,
        first_seq: 10,
        text: r#"{"type":"é","seq":10},{"seq":12}"#.into(),
        ends: vec![22, 33],
        addressed: vec![(0, audience), (1, Audience::user("7"))],
        replacing: vec![(1, "k\"".into())],
        removals: Vec::new(),
    }
}

#[test]
fn members_and_places_come_back() {
    let world = World::new();
    let Restored { contents, mut checkpointer } = restore(&world.path(), 1, world.metrics.clone()).unwrap();
    let mut keyspace = contents.keyspace;
    checkpointer.entered(&room("r"), &ada());
    checkpointer.entered(&room("s"), &ada());
    checkpointer.left(&room("s"), &ada());
    let place = RoomPosition {
        room: room("r"),
        position: Position { epoch: u64::MAX - 1, seq: 12 },
        used_at_ms: 1_700_000_000_000,
        history: KeptEvents { after: 9, runs: vec![(1_700_000_000_000, Arc::new(events()))] },
    };
    checkpointer.finish(&mut keyspace, std::slice::from_ref(&place));

    let Restored { contents, checkpointer } = restore(&world.path(), 1, world.metrics.clone()).unwrap();
    assert_eq!(contents.positions, [place]);
    let [member] = &contents.members[..] else { panic!("{:?}", contents.members) };
    assert_eq!((member.room.as_str(), &*member.identity.username), ("r", "Ada of x"));
    assert_eq!((&*member.identity.user_id, member.identity.role), ("7", Role::Player));
    // The process ends without a word: the places do not hold any more.
    drop(checkpointer);
    wait_until_free(&world);
    assert_eq!(restore(&world.path(), 1, world.metrics.clone()).unwrap().contents.positions, []);
}

#[test]
fn numbered_inputs_are_written_with_the_keys() {
    let world = World::new();
    let mut store = world.open();
    let last = |n: u64| LastRun { n, used_at_ms: 1_700_000_000_000 };
    let ran = |store: &mut Store, id: &str, last: Option<LastRun>| {
        store.checkpointer.ran(&room(id), &"7".into(), last);
    };
    ran(&mut store, "r", Some(last(5)));
    ran(&mut store, "s", Some(last(1 << 53)));
    ran(&mut store, "t", Some(last(1)));
    store.tick_until(|| world.writes() == 1);
    ran(&mut store, "r", Some(last(6)));
    ran(&mut store, "t", None);
    store.finish();
    let mut store = world.open();
    let expected = [(room("r"), "7".into(), last(6)), (room("s"), "7".into(), last(1 << 53))];
    assert_eq!(store.inputs, expected);
    store.checkpointer.forget_inputs();
    ran(&mut store, "u", Some(last(2)));
    store.finish();
    assert_eq!(world.open().inputs, [(room("u"), "7".into(), last(2))]);
}

/// What could not be written is written later, with what has come meanwhile.
#[test]
fn numbered_inputs_that_do_not_fit_are_tried_again() {
    let world = World::new();
    let mut store = world.open();
    let last = |n: u64| Some(LastRun { n, used_at_ms: 1 });
    store.checkpointer.ran(&room("old"), &"7".into(), last(1));
    store.finish();
    let mut store = world.open_full(9);
    store.run(&format!("SET large {}", "x".repeat(100_000)));
    store.checkpointer.forget_inputs();
    store.checkpointer.ran(&room("r"), &"7".into(), last(5));
    store.checkpointer.ran(&room("s"), &"7".into(), last(5));
    store.tick_until(|| world.metrics.state_file_errors.get() >= 1);
    store.checkpointer.ran(&room("r"), &"7".into(), last(6));
    store.run("DEL large");
    store.tick_until(|| world.writes() == 2);
    store.finish();
    let mut numbers: Vec<_> = world.open().inputs.into_iter().map(|(room, _, last)| (room, last.n)).collect();
    numbers.sort_by_key(|(_, n)| *n);
    assert_eq!(numbers, [(room("s"), 5), (room("r"), 6)]);
}

/// A file of the first version has no numbers.
#[test]
fn an_older_file_is_taken_on() {
    let world = World::new();
    let mut store = world.open();
    store.run("SET a 1");
    store.finish();
    let older = rusqlite::Connection::open(world.path()).unwrap();
    older
        .execute_batch("DROP TABLE inputs; ALTER TABLE rooms DROP COLUMN history; PRAGMA user_version = 1;")
        .unwrap();
    older.close().unwrap();
    let mut store = world.open();
    assert_eq!((store.run("GET a"), store.inputs.len()), ("1".to_owned(), 0));
    store.checkpointer.ran(&room("r"), &"7".into(), Some(LastRun { n: 5, used_at_ms: 1 }));
    store.finish();
    assert_eq!(world.open().inputs.len(), 1);
}

/// The thread closes the file when it notices that its engine is gone.
fn wait_until_free(world: &World) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while StateFile::open(&world.path(), 1).is_err() {
        assert!(Instant::now() < deadline, "the file stays in use");
    }
}
