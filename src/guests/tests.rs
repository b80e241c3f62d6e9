use std::sync::Arc;

use std::time::Instant;

use super::*;
use crate::metrics::Metrics;
use crate::state::CallResult;
use crate::state::embedded::EmbeddedOptions;
use crate::state::embedded::runner::{Invocation, ScriptRunner};

const TTL: Duration = Duration::from_secs(100);

/// A store under a clock of the test's own.
struct Store {
    runner: ScriptRunner,
    now_ms: u64,
}

impl Store {
    fn new() -> Self {
        let metrics = Arc::new(Metrics::new());
        let options = EmbeddedOptions { time_budget: Duration::from_secs(10), ..EmbeddedOptions::default() };
        let runner = ScriptRunner::new(&options, metrics);
        Self { runner, now_ms: 1_800_000_000_000 }
    }

    fn advance(&mut self, time: Duration) {
        self.now_ms += time.as_millis() as u64;
    }

    /// Runs a batch as engines do.
    fn run(&mut self, batch: Batch) -> Vec<CallResult> {
        let mut results: Vec<CallResult> = Vec::new();
        for call in &batch.calls {
            if batch.on_error == OnError::Stop
                && results.iter().any(|result| matches!(result, CallResult::Err(_)))
            {
                results.push(CallResult::Skipped);
                continue;
            }
            let room = batch.room.as_ref();
            let invocation =
                Invocation { call, room, now_ms: self.now_ms, now: Instant::now(), seed: 1, passed_ms: 0 };
            results.push(self.runner.run(invocation).0);
        }
        results
    }

    #[track_caller]
    fn answer(&mut self, batch: Batch) -> Vec<u8> {
        match self.run(batch).remove(0) {
            CallResult::Ok(answer) => answer.to_vec(),
            other => panic!("{other:?}"),
        }
    }

    #[track_caller]
    fn note(&mut self, user_id: &str, room: &str) {
        let room = RoomId::parse(room).unwrap();
        let call = note(&identity(user_id, &format!("name of {user_id}")), &room);
        self.answer(batch(Some(&room), vec![call], 0));
    }

    #[track_caller]
    fn see(&mut self, ids: &[&str], written: Written) {
        let ids: Vec<SmolStr> = ids.iter().copied().map(SmolStr::new).collect();
        self.answer(alive(ids.iter(), written, 0));
    }

    #[track_caller]
    fn claim(&mut self) -> Claim {
        let answer = self.answer(claim(TTL, 0));
        read_claim(&answer).unwrap()
    }

    /// Whether the guest was struck off the room's list just now.
    fn take(&mut self, expired: &Expired, room: &str) -> bool {
        let results = self.run(take(expired, &RoomId::parse(room).unwrap(), None, 0));
        matches!(results[..], [CallResult::Ok(_)])
    }

    fn forget(&mut self, expired: &Expired) -> bool {
        let answer = self.answer(forget(expired, 0));
        was_forgotten(&answer)
    }

    fn rooms(&mut self, user_id: &str) -> Vec<String> {
        let answer = self.answer(rooms(&identity(user_id, ""), 0));
        let mut rooms: Vec<String> = read_rooms(&answer).iter().map(RoomId::to_string).collect();
        rooms.sort();
        rooms
    }
}

/// One second more than a guest's lifetime.
const TOO_LONG: Duration = Duration::from_secs(101);

#[test]
fn a_guest_without_a_sign_of_life_is_claimed_once_and_forgotten() {
    let mut store = Store::new();
    store.note("guest:a", "r1");
    store.note("guest:a", "r2");
    store.note("guest:b", "r1");
    store.advance(TTL);
    assert_eq!(store.claim(), Claim { known: 2, expired: Vec::new() });
    store.see(&["guest:b", "guest:c"], Written::Before);
    store.advance(Duration::from_secs(1));
    let claim = store.claim();
    assert_eq!(claim.known, 2, "of a guest that has left nothing, nothing is written down");
    let [gone] = &claim.expired[..] else { panic!("{claim:?}") };
    assert_eq!((&*gone.identity.user_id, &*gone.identity.username), ("guest:a", "name of guest:a"));
    let mut rooms: Vec<&str> = gone.rooms.iter().map(RoomId::as_str).collect();
    rooms.sort_unstable();
    assert_eq!((rooms, gone.is_whole), (vec!["r1", "r2"], true));
    assert_eq!(store.claim().expired, [], "it is somebody's to clean up");

    assert!(store.take(gone, "r1"));
    assert!(!store.take(gone, "r1"), "once");
    assert!(store.take(gone, "r2"));
    assert!(store.forget(gone));
    assert!(!store.forget(gone));
    assert_eq!(store.claim().known, 1);
    assert_eq!(store.rooms("guest:a"), [""; 0]);
    assert_eq!(store.rooms("guest:b"), ["r1"]);
}

#[test]
fn what_is_not_done_is_claimed_again() {
    let mut store = Store::new();
    store.note("guest:a", "r1");
    store.note("guest:a", "r2");
    store.advance(TOO_LONG);
    let first = store.claim().expired.remove(0);
    assert!(store.take(&first, "r1"));
    store.advance(lease(TTL) + Duration::from_secs(1));
    let second = store.claim().expired.remove(0);
    assert_eq!(second.rooms, [RoomId::parse("r2").unwrap()]);
    assert!(!store.take(&first, "r2"), "the first has lost its claim");
    assert!(!store.forget(&first));
    assert!(store.take(&second, "r2") && store.forget(&second));
}

#[test]
fn a_guest_that_is_back_is_left_alone() {
    let mut store = Store::new();
    store.note("guest:a", "r1");
    store.advance(TOO_LONG);
    let claimed = store.claim().expired.remove(0);
    store.see(&["guest:a"], Written::Before);
    assert!(!store.take(&claimed, "r1"));
    assert!(!store.forget(&claimed));
    assert_eq!(store.rooms("guest:a"), ["r1"]);
    store.advance(TTL);
    assert_eq!(store.claim().expired, []);
}

#[test]
fn a_guest_of_the_database_is_written_down_without_rooms() {
    let mut store = Store::new();
    store.see(&["guest:a"], Written::Now);
    store.advance(TOO_LONG);
    let claimed = store.claim().expired.remove(0);
    assert_eq!((claimed.rooms.len(), claimed.is_whole), (0, true));
    assert!(store.forget(&claimed));
}

#[test]
fn a_seat_that_a_hook_could_not_free_is_written_down_again() {
    let mut store = Store::new();
    store.note("guest:a", "r1");
    store.advance(TOO_LONG);
    let claimed = store.claim().expired.remove(0);
    let room = &claimed.rooms[0];
    assert!(store.take(&claimed, "r1"));
    store.answer(note_again(&claimed, room, 0));
    assert!(!store.forget(&claimed));
    store.advance(TOO_LONG);
    assert_eq!(store.claim().expired.remove(0).rooms, claimed.rooms);
}

#[test]
fn claims_are_bounded() {
    let mut store = Store::new();
    for guest in 0..30 {
        store.note(&format!("guest:{guest}"), "r");
    }
    for room in 0..ROOMS_AT_ONCE + 5 {
        store.note("guest:0", &format!("r{room}"));
    }
    store.advance(TOO_LONG);
    let (first, second) = (store.claim(), store.claim());
    assert_eq!((first.known, first.expired.len(), second.expired.len()), (30, CLAIMED_AT_ONCE, 10));
    let of_many = first.expired.iter().chain(&second.expired).find(|gone| !gone.is_whole).unwrap();
    assert_eq!((&*of_many.identity.user_id, of_many.rooms.len()), ("guest:0", ROOMS_AT_ONCE));
}

#[test]
fn as_many_signs_of_life_as_go_into_a_call() {
    let mut store = Store::new();
    let ids: Vec<String> = (0..ALIVE_AT_ONCE).map(|number| format!("guest:{number:022}")).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    store.see(&ids, Written::Now);
    assert_eq!(store.claim().known, ALIVE_AT_ONCE as u64);
}

#[test]
fn a_player_that_was_a_guest_takes_its_rooms_along() {
    let mut store = Store::new();
    store.note("guest:a", "r1");
    store.note("guest:a", "r2");
    assert_eq!(store.rooms("guest:a"), ["r1", "r2"]);
    store.answer(strike(&identity("guest:a", ""), 0));
    assert_eq!(store.rooms("guest:a"), [""; 0]);
    assert_eq!(store.claim().known, 0);
}

#[test]
fn answers_that_make_no_sense_are_none() {
    for answer in ["", "null", "[]", "{}", r#"["x"]"#, r#"["1","a"]"#, r#"["1","a","b","1","1","many"]"#] {
        assert_eq!(read_claim(answer.as_bytes()), None, "{answer}");
    }
    for answer in ["", "null", "{}", r#"[""]"#, r#"["not a room"]"#] {
        assert_eq!(read_rooms(answer.as_bytes()), [], "{answer}");
    }
}
