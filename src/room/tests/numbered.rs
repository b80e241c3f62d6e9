//! Numbered inputs: what did not run is sent again before what comes behind it.

use super::properties::Random;
use super::scene::{End, INTERVAL_MS, Scene};
use crate::room::Why;
use crate::state::Call;

fn error(connection: u32, n: u64, code: &str) -> String {
    format!(r#"send {connection} {{"type":"error","n":{n},"payload":{{"code":"{code}","message":"no"}}}}"#)
}

/// A room with `ann` on connection 1, and inputs 5 and 6 of hers in batch 2.
fn scene() -> Scene {
    let mut scene = Scene::with(&["ann"]);
    scene.numbered(1, "ann", 5);
    scene.numbered(1, "ann", 6);
    assert_eq!(scene.settle()[0], "submit 2: ann:#5 ann:#6");
    scene
}

#[test]
fn members_are_told_how_far_theirs_have_run() {
    let mut scene = Scene::with(&["ann", "ben"]);
    for (connection, user, n) in [(1, "ann", 5), (2, "ben", 1), (1, "ann", 6)] {
        scene.numbered(connection, user, n);
    }
    scene.settle();
    let lines = scene.end(2, &[End::Ok, End::Ok, End::Refused]);
    assert_eq!(lines, [&error(1, 6, "nope"), "ran up to 6 of 1", "ran up to 1 of 2", "ran 2 1"]);
}

#[test]
fn what_waits_behind_one_that_did_not_run_is_refused_until_it_comes_again() {
    let mut scene = scene();
    scene.numbered(1, "ann", 7);
    scene.input(1, "ann", "x");
    let lines = scene.end(2, &[End::Away]);
    let away = [error(1, 5, "unavailable"), error(1, 6, "unavailable")];
    assert_eq!(lines, [&away[0], &away[1], "out of order 1 n 7", "ran 0 2"]);
    assert_eq!(scene.numbered(1, "ann", 8), ["out of order 1 n 8"]);
    for n in [5, 6, 7] {
        assert_eq!(scene.numbered(1, "ann", n), [""; 0]);
    }
    scene.advance(INTERVAL_MS);
    assert_eq!(scene.settle()[0], "submit 3: ann:x ann:#5 ann:#6 ann:#7");
}

/// They ran, and the one in front of them could never run again.
#[test]
fn regression_what_a_member_had_sent_that_is_gone_does_not_run_before_what_did_not() {
    let mut scene = scene();
    scene.numbered(1, "ann", 7);
    scene.leave(1, "ann");
    let lines = scene.end(2, &[End::Away]);
    assert_eq!(lines[2..], ["out of order 1 n 7", "ran 0 2"]);
    scene.advance(INTERVAL_MS);
    assert_eq!(scene.settle()[0], "submit 3: on_disconnect(ann)");
}

#[test]
fn what_the_engine_gives_back_behind_one_that_did_not_run_is_refused() {
    let mut scene = scene();
    let lines = scene.end(2, &[End::Busy, End::NotRun]);
    assert_eq!(lines[..2], [error(1, 5, "busy"), "out of order 1 n 6".to_owned()]);
}

#[test]
fn one_that_was_sent_again_before_the_refusal_was_known_frees_those_behind_it() {
    let mut scene = scene();
    for n in [7, 5, 6, 7] {
        scene.numbered(1, "ann", n);
    }
    let lines = scene.end(2, &[End::Away]);
    assert_eq!(lines[2..], ["out of order 1 n 7", "ran 0 2"]);
    assert_eq!(scene.numbered(1, "ann", 8), [""; 0]);
    scene.advance(INTERVAL_MS);
    assert_eq!(scene.settle()[0], "submit 3: ann:#5 ann:#6 ann:#7 ann:#8");
    for n in [9, 9, 10] {
        scene.numbered(1, "ann", n);
    }
    scene.end(3, &[End::Ok]);
    scene.advance(INTERVAL_MS);
    assert_eq!(scene.settle()[0], "submit 4: ann:#9 ann:#9 ann:#10");
    scene.end(4, &[End::Away, End::Ok, End::Ok]);
    assert_eq!(scene.numbered(1, "ann", 11), [""; 0], "9 has run after all");
}

#[test]
fn a_full_room_holds_back_what_comes_behind() {
    let mut scene = Scene::with(&["ann"]);
    scene.bounds.waiting_bytes = 2;
    scene.numbered(1, "ann", 5);
    assert_eq!(scene.numbered(1, "ann", 6), ["busy 1"]);
    scene.settle();
    assert_eq!(scene.numbered(1, "ann", 7), ["out of order 1 n 7"]);
    assert_eq!(scene.numbered(1, "ann", 6), [""; 0]);
}

#[test]
fn while_the_store_is_away_all_are_refused_in_order() {
    let mut scene = scene();
    let lines = scene.not_taken(2, Why::Unavailable);
    assert_eq!(lines, ["unavailable 1", "unavailable 1"]);
    assert_eq!(scene.numbered(1, "ann", 7), ["out of order 1 n 7"]);
}

#[test]
fn a_socket_that_was_replaced_adds_nothing() {
    let mut scene = scene();
    scene.join(2, "ann");
    scene.end(2, &[End::Ok]);
    let number = scene.settle_and_find("on_connect");
    scene.end(number, &[End::Ok]);
    assert_eq!(scene.numbered(1, "ann", 8), ["out of order 1 n 8"]);
    assert_eq!(scene.numbered(2, "ann", 7), [""; 0]);
    // Whoever has left, and whom nobody has replaced, has the last word.
    scene.leave(2, "ann");
    assert_eq!(scene.numbered(2, "ann", 8), [""; 0]);
}

#[test]
fn whoever_comes_in_is_told_what_has_run() {
    let mut scene = Scene::new();
    scene.join(1, "ann");
    scene.join(2, "ben");
    let number = scene.settle_and_find("on_connect");
    scene.last_ran = vec![0, 7];
    assert_eq!(scene.end(number, &[End::Ok])[..2], ["admit 1 at 0", "admit 2 at 0, n 7"]);
}

/// A store that fails in all the ways there are, and a client that sends again what it is told, or believes, has not run.
struct Faulty {
    random: Random,
    last: u64,
    ran: Vec<u64>,
}

impl Faulty {
    fn run(&mut self, calls: &[Call]) -> Vec<End> {
        // A lost batch has run up to some call, and says of none whether it has.
        let lost_at = (self.random.below(10) == 0).then(|| self.random.below(4) as usize);
        let mut refused = None;
        let mut ends: Vec<End> = Vec::new();
        for (place, call) in calls.iter().enumerate() {
            let n = call.n.unwrap().get();
            let is_given_back = matches!(ends.last(), Some(End::NotRun)) || self.random.below(20) == 0;
            ends.push(match refused {
                _ if lost_at.is_some_and(|at| place >= at) || is_given_back => End::NotRun,
                _ if n <= self.last => End::Ok,
                Some(first) if n > first => End::OutOfOrder,
                _ if self.random.below(6) == 0 => {
                    refused = Some(n);
                    if self.random.below(2) == 0 { End::Away } else { End::Busy }
                }
                _ => {
                    refused = None;
                    self.last = n;
                    self.ran.push(n);
                    if self.random.below(9) == 0 { End::Refused } else { End::Ok }
                }
            });
        }
        if lost_at.is_some() { vec![End::Away; ends.len()] } else { ends }
    }

    fn end_batches(&mut self, scene: &mut Scene) -> Vec<String> {
        let numbers: Vec<u32> = scene.submitted.keys().copied().collect();
        let mut lines = Vec::new();
        for number in numbers {
            let is_join = scene.submitted[&number].iter().any(|call| call.n.is_none());
            lines.extend(match self.random.below(8) {
                0 if is_join => Vec::new(),
                _ if is_join => {
                    scene.last_ran = vec![self.last];
                    scene.end(number, &[End::Ok])
                }
                0 => scene.not_taken(number, Why::Busy),
                1 => scene.not_taken(number, Why::Unavailable),
                2 => Vec::new(),
                _ => {
                    let ends = self.run(&scene.submitted[&number]);
                    scene.end(number, &ends)
                }
            });
        }
        lines
    }
}

/// What the client knows.
struct Client {
    connection: u32,
    /// It has asked to come in by another connection, and sends nothing meanwhile.
    is_joining: bool,
    next: u64,
    done: u64,
}

impl Client {
    fn see(&mut self, lines: &[String]) {
        for line in lines {
            if let Some((_, n)) = line.strip_prefix("admit ").and_then(|line| line.split_once(", n ")) {
                self.done = n.parse().unwrap();
            }
            if line.starts_with("admit ") {
                (self.is_joining, self.next) = (false, self.done + 1);
            }
            let own = format!(" of {}", self.connection);
            if let Some(n) = line.strip_prefix("ran up to ").and_then(|line| line.strip_suffix(&own)) {
                self.done = n.parse::<u64>().unwrap().max(self.done);
            }
            let is_refusal =
                ["busy", "unavailable", "out of order"].iter().any(|word| line.starts_with(word));
            if is_refusal || line.contains("\"error\"") {
                self.next = self.done + 1;
            }
        }
    }
}

#[test]
fn whatever_fails_all_run_once_and_in_order() {
    const INPUTS: u64 = 60;
    for seed in 0..300 {
        let mut scene = Scene::with(&["ann"]);
        (scene.bounds.batch_calls, scene.bounds.waiting_bytes) = (4, 12);
        let mut store = Faulty { random: Random(seed), last: 0, ran: Vec::new() };
        let mut client = Client { connection: 1, is_joining: false, next: 1, done: 0 };
        for step in 0.. {
            assert!(step < 20_000, "seed {seed}: {} have run", client.done);
            for _ in 0..store.random.below(4) {
                if client.next <= INPUTS && !client.is_joining {
                    let lines = scene.numbered(client.connection, "ann", client.next);
                    client.next += 1;
                    client.see(&lines);
                }
            }
            match store.random.below(60) {
                0 => client.next = client.done + 1,
                1 if !client.is_joining => {
                    client.connection += 1;
                    client.is_joining = true;
                    scene.join(client.connection, "ann");
                }
                _ => {}
            }
            scene.advance(store.random.below(INTERVAL_MS));
            let mut lines = scene.settle();
            lines.extend(store.end_batches(&mut scene));
            client.see(&lines);
            if client.is_joining && lines.iter().any(|line| line.starts_with("turn away")) {
                scene.join(client.connection, "ann");
            }
            if client.done == INPUTS {
                break;
            }
        }
        assert_eq!(store.ran, (1..=INPUTS).collect::<Vec<u64>>(), "seed {seed}");
    }
}
