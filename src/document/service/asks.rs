//! Fetches under way: what each still lacks, and when the database is asked again for what another home has.

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

use crate::document::{Address, Document, FetchError, Fetched, HomeId, Reply};

/// How often the database is asked for a document that another home has.
const ASK_AGAIN_AFTER: Duration = Duration::from_millis(100);
/// How long another home has to let a document go.
const PATIENCE: Duration = Duration::from_secs(5);
/// Documents of one question: each may have 256 KiB.
const MOST_AT_ONCE: usize = 64;

/// A fetch, until its reply has been called.
pub(super) struct Ask {
    home: HomeId,
    missing: BTreeSet<Address>,
    found: Fetched,
    reply: Option<Reply<Fetched>>,
    due: Instant,
    deadline: Instant,
}

impl Ask {
    pub(super) fn new(addresses: Vec<Address>, home: HomeId, reply: Reply<Fetched>, now: Instant) -> Self {
        Self {
            home,
            found: Vec::with_capacity(addresses.len()),
            missing: addresses.into_iter().collect(),
            reply: Some(reply),
            due: now,
            deadline: now + PATIENCE,
        }
    }

    pub(super) fn home(&self) -> &HomeId {
        &self.home
    }

    pub(super) fn missing(&self) -> &BTreeSet<Address> {
        &self.missing
    }

    /// Ends the fetch: what is missing has failed.
    pub(super) fn fail(mut self, error: &FetchError) -> usize {
        self.missing_fail(error);
        self.answer()
    }

    fn missing_fail(&mut self, error: &FetchError) {
        let missing = std::mem::take(&mut self.missing);
        self.found.extend(missing.into_iter().map(|address| (address, Err(error.clone()))));
    }

    /// Calls the reply; how many documents were asked for.
    fn answer(mut self) -> usize {
        let count = self.found.len();
        if let Some(reply) = self.reply.take() {
            reply(self.found);
        }
        count
    }
}

/// All fetches of a thread.
#[derive(Default)]
pub(super) struct Asks(Vec<Ask>);

impl Asks {
    pub(super) fn push(&mut self, ask: Ask) {
        self.0.push(ask);
    }

    /// When the database is to be asked next.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.0.iter().map(|ask| ask.due).min()
    }

    /// What to ask for now: documents of one home, as many as one question has room for.
    pub(super) fn due(&self, now: Instant) -> Option<(HomeId, Vec<Address>)> {
        let first = self.0.iter().find(|ask| ask.due <= now)?;
        let mut addresses = BTreeSet::new();
        for ask in self.0.iter().filter(|ask| ask.due <= now && ask.home == first.home) {
            let room = MOST_AT_ONCE - addresses.len();
            addresses.extend(ask.missing.iter().take(room).cloned());
            if addresses.len() == MOST_AT_ONCE {
                break;
            }
        }
        Some((first.home.clone(), addresses.into_iter().collect()))
    }

    /// The database has answered a question of [`Asks::due`]. How many documents' fetches have ended.
    pub(super) fn answered(
        &mut self,
        home: &HomeId,
        answer: Vec<(Address, Option<Document>)>,
        now: Instant,
    ) -> usize {
        let answer: HashMap<Address, Option<Document>> = answer.into_iter().collect();
        for ask in self.0.iter_mut().filter(|ask| ask.home == *home && ask.due <= now) {
            ask.take(&answer, now);
        }
        self.end(|ask| ask.missing.is_empty()).into_iter().map(Ask::answer).sum()
    }

    /// The database has not answered. How many documents' fetches have failed for that.
    pub(super) fn failed(&mut self, now: Instant) -> usize {
        self.end(|ask| ask.due <= now).into_iter().map(|ask| ask.fail(&FetchError::Unavailable)).sum()
    }

    /// Nobody will ask the database any more.
    pub(super) fn fail_all(&mut self) -> usize {
        self.end(|_| true).into_iter().map(|ask| ask.fail(&FetchError::Unavailable)).sum()
    }

    /// Takes out those that are over.
    fn end(&mut self, is_over: impl Fn(&Ask) -> bool) -> Vec<Ask> {
        let (over, open) = std::mem::take(&mut self.0).into_iter().partition(is_over);
        self.0 = open;
        over
    }
}

impl Ask {
    /// Takes from an answer what it has asked for.
    fn take(&mut self, answer: &HashMap<Address, Option<Document>>, now: Instant) {
        let asked: Vec<Address> =
            self.missing.iter().filter(|address| answer.contains_key(*address)).cloned().collect();
        let mut is_held = false;
        for address in asked {
            match &answer[&address] {
                Some(document) => {
                    self.missing.remove(&address);
                    self.found.push((address, Ok(document.clone())));
                }
                None => is_held = true,
            }
        }
        if is_held && now >= self.deadline {
            self.missing_fail(&FetchError::Held);
        } else if is_held {
            self.due = (now + ASK_AGAIN_AFTER).min(self.deadline);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, channel};

    use super::*;

    fn address(key: &str) -> Address {
        Address::new("a", key).expect("valid")
    }

    fn ask(keys: &[&str], home: &HomeId, now: Instant) -> (Ask, Receiver<Fetched>) {
        let (sender, replies) = channel();
        let reply = Box::new(move |found| sender.send(found).expect("the test listens"));
        (Ask::new(keys.iter().map(|key| address(key)).collect(), home.clone(), reply, now), replies)
    }

    /// What a question is answered: these documents of ours, those of others.
    fn answer(ours: &[&str], held: &[&str]) -> Vec<(Address, Option<Document>)> {
        let ours = ours.iter().map(|key| (address(key), Some(Document::absent(address(key)))));
        ours.chain(held.iter().map(|key| (address(key), None))).collect()
    }

    #[test]
    fn fetches_of_one_home_share_a_question_and_an_answer() {
        let (home, other, now) = (HomeId::random(), HomeId::random(), Instant::now());
        let mut asks = Asks::default();
        let (one, ones) = ask(&["1", "2"], &home, now);
        let (two, twos) = ask(&["2", "3"], &home, now);
        let (three, threes) = ask(&["4"], &other, now);
        [one, two, three].into_iter().for_each(|ask| asks.push(ask));
        let (asked_by, addresses) = asks.due(now).expect("there are some");
        assert_eq!((&asked_by, addresses), (&home, ["1", "2", "3"].map(address).to_vec()));
        assert_eq!(asks.answered(&home, answer(&["1", "2", "3"], &[]), now), 4);
        assert_eq!(ones.recv().expect("answered").len(), 2);
        assert_eq!(twos.recv().expect("answered").len(), 2);
        assert!(threes.try_recv().is_err());
        assert_eq!(asks.due(now), Some((other, vec![address("4")])));
    }

    #[test]
    fn what_another_home_has_is_asked_for_again_until_the_time_is_up() {
        let (home, start) = (HomeId::random(), Instant::now());
        let mut asks = Asks::default();
        let (one, ones) = ask(&["1", "2"], &home, start);
        asks.push(one);
        asks.answered(&home, answer(&["1"], &["2"]), start);
        assert!(ones.try_recv().is_err(), "all come together");
        assert_eq!(asks.due(start), None);
        let mut now = start;
        let mut questions = 0;
        while let Some(due) = asks.next_due() {
            now = due;
            assert_eq!(asks.due(now), Some((home.clone(), vec![address("2")])));
            asks.answered(&home, answer(&[], &["2"]), now);
            questions += 1;
        }
        assert_eq!((now - start, questions), (PATIENCE, 50));
        let found: HashMap<_, _> = ones.recv().expect("answered").into_iter().collect();
        assert!(found[&address("1")].is_ok());
        assert_eq!(found[&address("2")], Err(FetchError::Held));
    }

    #[test]
    fn a_failure_ends_what_is_due_and_a_question_has_a_size() {
        let (home, now) = (HomeId::random(), Instant::now());
        let mut asks = Asks::default();
        let keys: Vec<String> = (100..200).map(|n| n.to_string()).collect();
        let (one, ones) = ask(&keys.iter().map(String::as_str).collect::<Vec<_>>(), &home, now);
        asks.push(one);
        let (_, first) = asks.due(now).expect("there are some");
        assert_eq!(first.len(), MOST_AT_ONCE);
        asks.answered(
            &home,
            first.iter().map(|a| (a.clone(), Some(Document::absent(a.clone())))).collect(),
            now,
        );
        let (_, second) = asks.due(now).expect("there are more");
        assert_eq!(second.len(), 100 - MOST_AT_ONCE);
        assert_eq!(asks.failed(now), 100);
        let found = ones.recv().expect("answered");
        assert_eq!(found.iter().filter(|(_, result)| result.is_ok()).count(), MOST_AT_ONCE);
        assert_eq!(asks.next_due(), None);
    }
}
