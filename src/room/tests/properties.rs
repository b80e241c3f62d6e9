//! Rooms of hostile members, from seeds that replay.

use std::collections::HashMap;

use super::scene::{End, Scene};
use crate::room::Why;
use crate::state::Arguments;

/// Numbers from a seed (SplitMix64).
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }
}

const USERS: [&str; 4] = ["a", "b", "c", "d"];

/// What an outside observer knows of a room.
#[derive(Default)]
struct Observer {
    /// By user: the connection that the room takes for its member.
    members: HashMap<String, u32>,
    /// Connections that have asked to come in and have no answer.
    asking: HashMap<u32, String>,
    /// Connections that are open from the room's point of view.
    open: HashMap<u32, String>,
    /// By user: the last input that ran.
    last_run: HashMap<String, u64>,
    answers: u64,
    flushed: u64,
}

impl Observer {
    fn see(&mut self, lines: &[String]) {
        for line in lines {
            let words: Vec<&str> = line.split(' ').collect();
            let connection = || words[1].parse::<u32>().unwrap();
            match words[0] {
                "admit" => {
                    let user = self.asking.remove(&connection()).expect("it has asked");
                    self.open.insert(connection(), user.clone());
                    self.members.insert(user, connection());
                }
                "refuse" | "turn" => {
                    let connection = words.iter().find_map(|word| word.parse().ok()).unwrap();
                    self.asking.remove(&connection).expect("it has asked");
                }
                "flush" => {
                    let (first, last) = words[1].split_once("..").unwrap();
                    let first: u64 = first.parse().unwrap();
                    assert_eq!(first, self.flushed + 1, "events go out in order, each once");
                    self.flushed = last.parse().unwrap();
                }
                "send" | "busy" | "unavailable" => self.answers += 1,
                _ => {}
            }
        }
    }
}

/// Each input is answered once, each user's run in order, events go out without gaps, and in the end nothing is left.
#[test]
fn rooms_keep_their_promises_whatever_members_and_the_engine_do() {
    for seed in 0..300 {
        play(seed);
    }
}

fn play(seed: u64) {
    let mut random = Random(seed);
    let mut scene = Scene::new();
    let mut observer = Observer::default();
    let (mut next_connection, mut next_input, mut sent) = (1, 1, 0_u64);
    for _ in 0..400 {
        let user = USERS[random.below(4) as usize];
        let lines = match random.below(12) {
            0 => {
                observer.asking.insert(next_connection, user.to_owned());
                scene.join(next_connection, user);
                next_connection += 1;
                Vec::new()
            }
            1 => {
                if let Some((&connection, user)) = observer.open.iter().min() {
                    let user = user.clone();
                    observer.open.remove(&connection);
                    scene.leave(connection, &user);
                }
                Vec::new()
            }
            2 => {
                if let Some(&connection) = observer.asking.keys().min() {
                    observer.asking.remove(&connection);
                    scene.room.join_gone(super::scene::key(connection));
                }
                Vec::new()
            }
            3..=5 => match observer.members.get(user).copied() {
                Some(connection) if observer.open.contains_key(&connection) => {
                    sent += 1;
                    next_input += 1;
                    scene.input(connection, user, &next_input.to_string())
                }
                _ => Vec::new(),
            },
            6..=7 => scene.settle(),
            8 => {
                scene.advance(random.below(60));
                scene.time()
            }
            _ => end_one(&mut scene, &mut observer, &mut random),
        };
        observer.see(&lines);
        assert!(scene.submitted.values().filter(|calls| is_inputs(calls)).count() <= 1, "seed {seed}");
    }
    finish(&mut scene, &mut observer);
    assert_eq!(observer.answers, sent, "seed {seed}: each input is answered once");
    assert_eq!(observer.flushed, scene.seq, "seed {seed}: every event went out");
    assert!(observer.asking.is_empty(), "seed {seed}: everybody who asked was answered");
    assert!(scene.room.is_over(), "seed {seed}: nothing is left");
}

fn is_inputs(calls: &[crate::state::Call]) -> bool {
    calls.iter().any(|call| matches!(call.arguments, Arguments::Payload(_)))
}

/// The engine ends its oldest batch somehow.
fn end_one(scene: &mut Scene, observer: &mut Observer, random: &mut Random) -> Vec<String> {
    let Some(&number) = scene.submitted.keys().min() else { return Vec::new() };
    if random.below(8) == 0 {
        let why = if random.below(2) == 0 { Why::Busy } else { Why::Unavailable };
        return scene.not_taken(number, why);
    }
    let calls = &scene.submitted[&number];
    let may_give_back = is_inputs(calls);
    let mut ends: Vec<End> = Vec::new();
    let mut given_back: Vec<String> = Vec::new();
    for call in calls {
        let user = call.caller.user_id.to_string();
        let end = match random.below(10) {
            0 => End::Refused,
            1 => End::Away,
            2 if may_give_back => End::NotRun,
            _ if given_back.contains(&user) => End::NotRun,
            _ => End::Ok,
        };
        let end = if given_back.contains(&user) { End::NotRun } else { end };
        match (&call.arguments, end) {
            (_, End::NotRun) => given_back.push(user),
            (Arguments::Payload(payload), _) => {
                let number: u64 = std::str::from_utf8(payload).unwrap().parse().unwrap();
                let last = observer.last_run.insert(user, number);
                assert!(last.is_none_or(|last| last < number), "inputs run in order");
            }
            _ => {}
        }
        ends.push(end);
    }
    let events = random.below(4);
    if ends.is_empty() {
        ends.push(End::Ok);
    }
    scene.end_with_events(number, &ends, events)
}

/// Everybody goes, and the engine works on.
fn finish(scene: &mut Scene, observer: &mut Observer) {
    for connection in std::mem::take(&mut observer.asking).into_keys() {
        scene.room.join_gone(super::scene::key(connection));
    }
    for (connection, user) in std::mem::take(&mut observer.open) {
        scene.leave(connection, &user);
    }
    for _ in 0..200 {
        scene.advance(60);
        let lines = scene.time();
        observer.see(&lines);
        for number in scene.submitted.keys().copied().collect::<Vec<_>>() {
            let lines = scene.end(number, &[End::Ok]);
            observer.see(&lines);
        }
    }
}
