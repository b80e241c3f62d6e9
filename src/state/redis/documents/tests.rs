//! The outbox's way to the database with a clock of the test's own, and what the store answers.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use redis::Value;

use super::commands::{Done, Out, read_cold, read_gone, read_installed};
use super::hold_late;
use super::outbox::OutboxWriter;
use crate::document::{Address, Documents, Entry, Fetched, HomeId, Lost, Reply, Unavailable};
use crate::script::{Header, Script};
use crate::state::documents::{CallDocuments, Installed};
use crate::state::{Batch, Call};
use crate::wire::ids::{Identity, Role};

type WriteReply = Reply<Result<Vec<Lost>, Unavailable>>;

/// Answers writes when the test says so, and the rest at once.
#[derive(Default)]
struct Database {
    writes: Mutex<Vec<(Vec<Entry>, HomeId, WriteReply)>>,
    retired: Mutex<Vec<HomeId>>,
    released: Mutex<Vec<Address>>,
}

impl Documents for Database {
    fn fetch(&self, _: Vec<Address>, _: &HomeId, _: Reply<Fetched>) {
        panic!("nothing is fetched here");
    }

    fn write(&self, entries: Vec<Entry>, home: &HomeId, reply: WriteReply) {
        self.writes.lock().unwrap().push((entries, home.clone(), reply));
    }

    fn renew(&self, _: &HomeId, _: Reply<Result<Vec<Address>, Unavailable>>) {
        panic!("the gate renews");
    }

    fn let_go(&self, _: Vec<Address>, _: &HomeId) {
        panic!("who lets go wants to know");
    }

    fn release(&self, addresses: Vec<Address>, _: &HomeId, reply: Reply<Result<(), Unavailable>>) {
        self.released.lock().unwrap().extend(addresses);
        reply(Ok(()));
    }

    fn retire(&self, home: &HomeId, reply: Reply<Result<(), Unavailable>>) {
        self.retired.lock().unwrap().push(home.clone());
        reply(Ok(()));
    }
}

fn text(text: &str) -> Value {
    Value::BulkString(text.as_bytes().to_vec())
}

fn address(name: &str) -> Address {
    Address::parse(name).expect("valid")
}

/// An answer with these entries, each with one save; of the home `h`.
fn out(numbers: &[i64], left: i64, leaving: &[&str], old: &[&str]) -> Out {
    let entry = |number: &i64| {
        let save = [
            text("a/b"),
            Value::Int(number - 1),
            Value::Int(*number),
            text("7"),
            Value::Int(1),
            Value::Int(9),
            text("{}"),
        ];
        Value::Array(vec![Value::Int(*number), text("h"), Value::Int(10 * number), Value::Array(save.into())])
    };
    let texts = |texts: &[&str]| Value::Array(texts.iter().map(|one| text(one)).collect());
    let parts = vec![
        Value::Int(1),
        text("h"),
        text("tag"),
        Value::Int(left),
        Value::Int(50),
        Value::Array(numbers.iter().map(entry).collect()),
        texts(leaving),
        texts(old),
    ];
    Out::read(Value::Array(parts)).expect("it makes sense").expect("this node writes")
}

/// What an entry of one save says besides of an account.
#[track_caller]
fn check_account(account: Vec<Value>, expected: Option<(&str, u64)>) {
    let save = ["a/b", "7", "{}"].map(text);
    let [name, owner, value] = save;
    let save = vec![name, Value::Int(0), Value::Int(1), owner, Value::Int(1), Value::Int(9), value];
    let entry = vec![Value::Int(1), text("h"), Value::Int(10), Value::Array(save), Value::Array(account)];
    let parts = vec![
        Value::Int(1),
        text("h"),
        text("tag"),
        Value::Int(1),
        Value::Int(50),
        Value::Array(vec![Value::Array(entry)]),
        Value::Array(Vec::new()),
        Value::Array(Vec::new()),
    ];
    let read = Out::read(Value::Array(parts)).ok().flatten().map(|out| {
        let save = &out.next[0].entry.saves[0];
        (save.document.recent_keys.as_deref().unwrap().to_owned(), save.entries[0].version)
    });
    assert_eq!(read, expected.map(|(keys, version)| (keys.to_owned(), version)));
}

#[test]
fn accounts_come_with_their_keys_and_entries() {
    let keys = r#"[{"k":"x","v":1,"t":9,"c":{"gold":5},"b":{"gold":5}}]"#;
    let entries =
        r#"[{"version":1,"key":"x","changes":{"gold":5},"balances":{"gold":5},"reason":"r","at_ms":9}]"#;
    check_account(vec![Value::Int(1), text(keys), text(entries)], Some((keys, 1)));
    for wrong in [
        vec![Value::Int(2), text(keys), text(entries)],
        vec![Value::Int(0), text(keys), text(entries)],
        vec![Value::Int(1), text(keys), text("[{}]")],
        vec![Value::Int(1), text(keys)],
    ] {
        check_account(wrong, None);
    }
}

struct Scene {
    database: Arc<Database>,
    writer: OutboxWriter,
    now: Instant,
}

impl Scene {
    fn new() -> Self {
        let database = Arc::new(Database::default());
        let writer = OutboxWriter::new(database.clone(), Arc::new(|| {}));
        Self { database, writer, now: Instant::now() }
    }

    fn passes(&mut self, ms: u64) {
        self.now += Duration::from_millis(ms);
    }

    /// What is said in the next step, if there is one now.
    fn step(&mut self) -> Option<(Done, bool)> {
        self.writer.next(self.now).0
    }

    #[track_caller]
    fn steps(&mut self, answer: Option<Out>) -> Done {
        let (said, _) = self.step().expect("a step");
        self.writer.answered(answer, &said, self.now);
        said
    }

    #[track_caller]
    fn database_says(&mut self, answer: Result<Vec<Lost>, Unavailable>) {
        let (_, _, reply) = self.database.writes.lock().unwrap().pop().expect("a write");
        reply(answer);
    }
}

#[test]
fn what_is_written_is_said_with_the_next_step() {
    let mut scene = Scene::new();
    assert_eq!(scene.steps(Some(out(&[4, 5], 2, &[], &[]))), Done::default());
    assert!(!scene.writer.is_idle());
    assert_eq!(scene.step(), None, "it is being written");
    scene.passes(700);
    let (_, is_busy) = scene.step().expect("it says that it still writes");
    assert!(is_busy);
    scene.writer.answered(Some(out(&[], 2, &[], &[])), &Done::default(), scene.now);
    scene.database_says(Ok(vec![Lost { address: address("a/b"), version: 5 }]));
    let (step, refused) = scene.writer.next(scene.now);
    let (said, is_busy) = step.expect("at once");
    assert!(!is_busy && refused == [address("a/b")]);
    assert_eq!((&*said.tag, said.number, said.total, said.lost.len()), ("tag", 5, 50, 1));
    assert_eq!(said.saves, [(address("a/b"), 4, 4), (address("a/b"), 5, 5)]);
    scene.writer.answered(Some(out(&[], 0, &[], &[])), &said, scene.now);
    assert!(scene.writer.is_idle());
    assert_eq!(scene.step(), None);
    scene.passes(50);
    assert_eq!(scene.steps(Some(out(&[], 0, &[], &[]))), Done::default(), "said once");
}

#[test]
fn another_node_takes_over_what_this_one_has_not_said() {
    let mut scene = Scene::new();
    scene.steps(Some(out(&[1], 1, &[], &[])));
    scene.database_says(Ok(Vec::new()));
    assert_eq!(scene.steps(None).number, 1);
    assert!(scene.writer.is_idle(), "it is the other's to do");
    scene.passes(100);
    assert_eq!(scene.step(), None);
    scene.passes(700);
    assert_eq!(scene.steps(Some(out(&[1], 1, &[], &[]))), Done::default());
    assert_eq!(scene.database.writes.lock().unwrap().len(), 1, "again, which changes nothing");
}

#[test]
fn what_fails_is_tried_again_later() {
    let mut scene = Scene::new();
    scene.steps(Some(out(&[1], 1, &[], &[])));
    scene.database_says(Err(Unavailable));
    assert_eq!(scene.step(), None);
    scene.passes(101);
    scene.steps(Some(out(&[1], 1, &[], &[])));
    scene.database_says(Err(Unavailable));
    assert_eq!(scene.step(), None);
    scene.passes(150);
    assert_eq!(scene.step(), None, "a longer pause");
    scene.passes(60);
    scene.steps(Some(out(&[1], 1, &[], &[])));
    scene.database_says(Ok(Vec::new()));
    assert_eq!(scene.steps(Some(out(&[], 0, &[], &[]))).number, 1);
}

#[test]
fn a_connection_that_ends_leaves_nothing_under_way() {
    let mut scene = Scene::new();
    scene.steps(Some(out(&[1], 1, &[], &[])));
    scene.database_says(Ok(Vec::new()));
    let (said, _) = scene.step().expect("a step");
    scene.writer.begin();
    let (again, _) = scene.step().expect("nobody knows whether it was heard");
    assert_eq!((said.number, again), (1, said));
}

#[test]
fn homes_and_names_are_given_up_once_the_database_knows() {
    let mut scene = Scene::new();
    scene.steps(Some(out(&[], 0, &["a/b", "a/c"], &["before", "long-before"])));
    scene.passes(50);
    let said = scene.steps(Some(out(&[], 0, &[], &["long-before"])));
    assert_eq!(said.gone, [address("a/b"), address("a/c")]);
    assert_eq!(said.given_up, [HomeId::parse("before").unwrap()]);
    scene.passes(50);
    assert_eq!(scene.steps(Some(out(&[], 0, &[], &[]))).given_up, [HomeId::parse("long-before").unwrap()]);
    assert_eq!(scene.database.retired.lock().unwrap().len(), 2);
    assert_eq!(scene.database.released.lock().unwrap().len(), 2);
    scene.passes(50);
    assert_eq!(scene.steps(Some(out(&[], 0, &[], &[]))), Done::default());
}

#[test]
fn answers_are_read() {
    let addresses = || vec![address("a/b"), address("a/c"), address("a/d")];
    let numbers = Value::Array([1, 2, 3].map(Value::Int).into());
    let outcomes = |answer: Option<&Value>| {
        read_installed(answer, addresses()).into_iter().map(|(_, outcome)| outcome).collect::<Vec<_>>()
    };
    assert_eq!(outcomes(Some(&numbers)), [Installed::Done, Installed::Again, Installed::Full]);
    assert_eq!(outcomes(None), [Installed::Again; 3], "each has an end");
    assert_eq!(read_gone(Some(&numbers), addresses()), [address("a/b")]);
    assert_eq!(read_gone(None, addresses()), []);
    let cold = Value::Array(vec![text("cold"), text("a/b")]);
    assert_eq!(read_cold(&cold), Some(vec![address("a/b")]));
    assert_eq!(read_cold(&Value::Array(vec![text("7"), Value::Int(3)])), None);
    assert_eq!(read_cold(&Value::Nil), None);
    assert!(Out::read(Value::Array(vec![Value::Int(0)])).expect("it makes sense").is_none());
    assert!(Out::read(Value::Array(vec![Value::Int(1)])).is_err() && Out::read(Value::Nil).is_err());
}

#[test]
fn calls_whose_documents_come_later_are_held_in_their_places() {
    let header = Header::parse("s", "-- DATA: a/b").expect("valid");
    let script = Arc::new(Script::new("s", "s.lua", "", header));
    let call = |number: usize, is_late: bool| {
        let (user_id, username) = (number.to_string().into(), "Ann".into());
        let (role, login) = (Role::Player, Default::default());
        let caller = Identity { user_id, username, role, expires_at_s: 0, login };
        let mut call = Call::rpc(script.clone(), Arc::new(caller), Vec::new(), Vec::new());
        let declared = CallDocuments::Declared(Box::default());
        call.documents = Some(Arc::new(if is_late { CallDocuments::Later } else { declared }));
        call
    };
    // The second and the fourth of six wait already.
    let mut held = vec![(1, call(1, false)), (3, call(3, false))];
    let calls = vec![call(0, true), call(2, false), call(4, true), call(5, true)];
    let mut batch = Batch::new(None, calls, 0);
    hold_late(&mut batch, &mut held);
    let places: Vec<(usize, usize)> =
        held.iter().map(|(place, call)| (*place, call.caller.user_id.parse().unwrap())).collect();
    assert_eq!(places, [0, 1, 3, 4, 5].map(|place| (place, place)));
    assert_eq!(batch.calls.len(), 1);
    assert_eq!(&*batch.calls[0].caller.user_id, "2");
}
