//! The threads in front of the database, as a store's home uses them.

use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use godra::document::{DocumentService, Documents, FetchError, Fetched, Unavailable};
use godra::metrics::Metrics;

use super::*;
use crate::common::{PATIENCE, wait_until};

/// A service, and what it counts.
struct Scene {
    service: DocumentService,
    metrics: Metrics,
}

impl Scene {
    fn on(database: &Database) -> Self {
        let metrics = Metrics::new();
        let service = DocumentService::start(database.stores(), &metrics.documents).unwrap();
        Self { service, metrics }
    }

    fn fetch(&self, home: &HomeId, at: &[&str]) -> Receiver<Fetched> {
        let (sender, answer) = channel();
        let reply = Box::new(move |fetched| sender.send(fetched).unwrap());
        self.service.fetch(at.iter().map(|text| address(text)).collect(), home, reply);
        answer
    }

    fn fetch_one(&self, home: &HomeId, at: &str) -> Result<Document, FetchError> {
        let mut fetched = self.fetch(home, &[at]).recv_timeout(PATIENCE).unwrap();
        assert_eq!(fetched.len(), 1);
        fetched.remove(0).1
    }

    fn write(&self, home: &HomeId, entries: Vec<Entry>) -> Result<Vec<Lost>, Unavailable> {
        let (sender, answer) = channel();
        self.service.write(entries, home, Box::new(move |result| sender.send(result).unwrap()));
        answer.recv_timeout(PATIENCE).unwrap()
    }

    fn renew(&self, home: &HomeId) -> Result<Vec<Address>, Unavailable> {
        let (sender, answer) = channel();
        self.service.renew(home, Box::new(move |result| sender.send(result).unwrap()));
        answer.recv_timeout(PATIENCE).unwrap()
    }

    fn let_go(&self, home: &HomeId, at: &str) {
        self.service.let_go(vec![address(at)], home);
    }

    fn count(&self, name: &str) -> u64 {
        let text = self.metrics.encode();
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("no {name} in {text}")).parse().unwrap()
    }
}

fn on_both(test: impl Fn(&Database)) {
    test(&Database::sqlite());
    test(&Database::postgres());
}

#[test]
fn documents_come_and_go() {
    on_both(|database| {
        let (scene, home, other) = (Scene::on(database), HomeId::random(), HomeId::random());
        let twice = scene.fetch(&home, &["a/1", "a/2", "a/1"]).recv_timeout(PATIENCE).unwrap();
        assert_eq!(twice.len(), 2, "each comes once");
        assert_eq!(
            scene.write(&home, vec![one("a/1", 0, "1"), one("a/3", 0, "1")]),
            Ok(vec![lost("a/3", 1)])
        );
        assert_eq!(scene.fetch_one(&home, "a/1").unwrap().version, 1);
        // In order: what was let go is free for the next.
        scene.let_go(&home, "a/1");
        assert_eq!(scene.fetch_one(&other, "a/1").unwrap().value.as_deref(), Some("1"));
        assert_eq!(scene.renew(&home), Ok(vec![]));
        assert_eq!(scene.count("godra_documents_fetched_total"), 4);
        assert_eq!(scene.count("godra_document_saves_total"), 1);
        assert_eq!(scene.count("godra_document_saves_lost_total"), 1);
        assert_eq!(scene.count("godra_document_transactions_total"), 1);
        assert_eq!(scene.count("godra_document_write_seconds_count"), 1);
    });
}

#[test]
fn fetches_that_wait_behind_each_other_share_a_question() {
    on_both(|database| {
        let (scene, home) = (Scene::on(database), HomeId::random());
        let answers: Vec<_> = (0..2000).map(|n| scene.fetch(&home, &[&format!("a/{n}")])).collect();
        for answer in answers {
            assert!(answer.recv_timeout(PATIENCE).unwrap()[0].1.is_ok());
        }
        assert_eq!(scene.count("godra_documents_fetched_total"), 2000);
        let questions = scene.count("godra_document_fetches_total");
        assert!(questions < 200, "{questions}");
    });
}

#[test]
fn another_home_is_waited_for_until_it_lets_go() {
    on_both(|database| {
        let (scene, us, them) = (Scene::on(database), HomeId::random(), HomeId::random());
        scene.fetch_one(&us, "a/1").unwrap();
        let theirs = scene.fetch(&them, &["a/1", "a/2"]);
        wait_until("we are told", || scene.renew(&us) == Ok(vec![address("a/1")]));
        assert_eq!(scene.write(&us, vec![one("a/1", 0, "1")]), Ok(vec![]));
        assert!(theirs.try_recv().is_err());
        assert!(scene.fetch_one(&us, "a/3").is_ok(), "nobody waits behind them");
        scene.let_go(&us, "a/1");
        let fetched: HashMap<_, _> = theirs.recv_timeout(PATIENCE).unwrap().into_iter().collect();
        assert_eq!(fetched[&address("a/1")].as_ref().unwrap().version, 1);
        assert!(fetched[&address("a/2")].is_ok());
    });
}

#[test]
fn a_home_that_does_not_let_go_is_not_waited_for_without_end() {
    let database = Database::sqlite();
    let (scene, us, them) = (Scene::on(&database), HomeId::random(), HomeId::random());
    scene.fetch_one(&us, "a/1").unwrap();
    let began = Instant::now();
    let theirs = scene.fetch(&them, &["a/1", "a/2"]);
    let fetched: HashMap<_, _> = theirs.recv_timeout(PATIENCE).unwrap().into_iter().collect();
    assert!(began.elapsed() >= Duration::from_secs(5), "{:?}", began.elapsed());
    assert_eq!(fetched[&address("a/1")], Err(FetchError::Held));
    assert!(fetched[&address("a/2")].is_ok());
    // A home that has died in the meantime is not asked.
    database.kill_home(&us);
    assert!(scene.fetch_one(&them, "a/1").is_ok());
}

#[test]
fn while_the_database_does_not_answer_all_are_refused_soon() {
    let database = Database::postgres();
    let Database::Postgres(server, _) = &database else { unreachable!() };
    let (scene, home) = (Scene::on(&database), HomeId::random());
    scene.fetch_one(&home, "a/1").unwrap();
    scene.fetch_one(&home, "a/2").unwrap();
    server.signal("STOP");
    let began = Instant::now();
    let answers: Vec<_> = (0..300).map(|n| scene.fetch(&home, &[&format!("b/{n}")])).collect();
    scene.let_go(&home, "a/1");
    for answer in answers {
        let fetched = answer.recv_timeout(PATIENCE).unwrap();
        assert_eq!(fetched[0].1, Err(FetchError::Unavailable));
    }
    assert!(began.elapsed() < Duration::from_secs(12), "{:?}", began.elapsed());
    assert_eq!(scene.count("godra_document_database_away"), 1);
    server.signal("CONT");
    wait_until("the database answers", || scene.write(&home, vec![one("a/2", 0, "1")]) == Ok(vec![]));
    wait_until("it is asked again", || scene.renew(&home) == Ok(vec![]));
    // What could not be let go then is let go now.
    assert!(scene.fetch_one(&HomeId::random(), "a/1").is_ok());
    assert_eq!(scene.count("godra_document_database_away"), 0);
}

#[test]
fn too_many_fetches_are_refused_at_once() {
    let database = Database::sqlite();
    let (scene, home) = (Scene::on(&database), HomeId::random());
    let many: Vec<String> = (0..20_001).map(|n| format!("a/{n}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let fetched = scene.fetch(&home, &many).try_recv().unwrap();
    assert!(fetched.iter().all(|(_, result)| *result == Err(FetchError::Unavailable)));
    assert_eq!(fetched.len(), many.len());
    assert!(scene.fetch_one(&home, "a/1").is_ok());
}
