use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::script::Script;
use crate::state::Arguments;
use crate::wire::ids::{Identity, Role};

const NOBODY: &[&str] = &[];

/// What a user says: `text` is told as `USER:TEXT`.
fn input(user: &str, text: &str, is_own: bool) -> QueuedInput {
    let caller = Identity {
        user_id: user.into(),
        username: user.into(),
        role: Role::Player,
        expires_at_s: 0,
        login: Default::default(),
    };
    let mut call = Call::rpc(Script::built_in("test", "return 1"), Arc::new(caller), Vec::new(), Vec::new());
    call.arguments = Arguments::Payload(text.as_bytes().into());
    let connection = ConnectionKey { shard: 0, index: 0, generation: 0 };
    let reply = Reply { connection, name: InputName::default(), tells_script: false };
    QueuedInput { call, reply: (!is_own).then_some(reply), received_at: Instant::now(), charge: None }
}

fn text(input: &QueuedInput) -> String {
    let Arguments::Payload(text) = &input.call.arguments else { unreachable!("all are made by `input`") };
    format!("{}:{}", input.user(), String::from_utf8_lossy(text))
}

fn waiting(all: &[(&str, &str)]) -> Waiting {
    let mut waiting = Waiting::default();
    all.iter().for_each(|(user, text)| waiting.push(input(user, text, false)));
    waiting
}

fn take(waiting: &mut Waiting, calls: usize, bytes: usize, first: &[&str]) -> Vec<String> {
    let first = first.iter().map(SmolStr::new).collect();
    waiting.take(Fill { calls, bytes }, &first).iter().map(text).collect()
}

#[test]
fn all_go_in_order_if_they_fit() {
    let mut waiting = waiting(&[("a", "1"), ("a", "2"), ("b", "3")]);
    assert_eq!(take(&mut waiting, 3, 3, NOBODY), ["a:1", "a:2", "b:3"]);
    assert!(waiting.is_empty() && waiting.bytes() == 0);
}

#[test]
fn each_user_has_a_turn_and_the_next_batch_goes_on_with_the_next_user() {
    let mut waiting =
        waiting(&[("a", "1"), ("a", "2"), ("a", "3"), ("a", "4"), ("b", "5"), ("c", "6"), ("c", "7")]);
    assert_eq!(take(&mut waiting, 2, 99, NOBODY), ["a:1", "b:5"]);
    assert_eq!(take(&mut waiting, 3, 99, NOBODY), ["a:2", "c:6", "c:7"]);
    waiting.push(input("d", "8", false));
    assert_eq!(take(&mut waiting, 2, 99, NOBODY), ["a:3", "d:8"]);
    assert_eq!(take(&mut waiting, 2, 99, NOBODY), ["a:4"]);
    assert!(waiting.is_empty());
}

#[test]
fn what_has_no_place_begins_the_next_batch() {
    let mut waiting = waiting(&[("a", "11111"), ("b", "2222222"), ("c", "3"), ("a", "4")]);
    assert_eq!(take(&mut waiting, 9, 6, NOBODY), ["a:11111"]);
    assert_eq!(take(&mut waiting, 9, 6, NOBODY), ["b:2222222"], "larger than any batch, and goes alone");
    assert_eq!(take(&mut waiting, 9, 6, NOBODY), ["c:3", "a:4"]);
}

#[test]
fn those_ahead_go_all_at_once_and_have_one_turn_afterwards() {
    let mut waiting = waiting(&[("a", "1"), ("b", "2"), ("b", "3"), ("b", "4"), ("a", "5")]);
    assert_eq!(take(&mut waiting, 1, 99, &["b"]), ["b:2", "b:3", "b:4"]);
    ["6", "7"].iter().for_each(|text| waiting.push(input("b", text, false)));
    assert_eq!(take(&mut waiting, 3, 99, NOBODY), ["a:1", "a:5", "b:6"]);
    assert_eq!(take(&mut waiting, 3, 99, NOBODY), ["b:7"]);
}

#[test]
fn what_is_put_back_goes_first() {
    let mut waiting = waiting(&[("a", "1"), ("a", "2"), ("b", "3"), ("b", "4"), ("c", "5")]);
    let taken = waiting.take(Fill { calls: 2, bytes: 99 }, &HashSet::new());
    waiting.put_back(taken);
    assert_eq!(take(&mut waiting, 2, 99, NOBODY), ["a:1", "b:3"]);
    assert_eq!(take(&mut waiting, 9, 99, NOBODY), ["a:2", "b:4", "c:5"]);
}

#[test]
fn the_servers_own_calls_are_known() {
    let mut waiting = waiting(&[("a", "1"), ("a", "2"), ("b", "3")]);
    waiting.push(input("b", "left", true));
    assert!(waiting.has_own() && waiting.has_of("b") && !waiting.has_of("c"));
    assert_eq!(waiting.own_users().collect::<Vec<_>>(), ["b"]);
    assert_eq!(take(&mut waiting, 1, 99, NOBODY), ["a:1"]);
    let players: Vec<_> = waiting.take_players().iter().map(text).collect();
    assert_eq!(players, ["a:2", "b:3"]);
    assert!(waiting.has_own() && !waiting.is_empty());
    assert_eq!(take(&mut waiting, 9, 99, NOBODY), ["b:left"]);
    assert!(!waiting.has_own() && waiting.is_empty());
}

#[test]
fn some_of_a_users_calls_are_taken_out_of_a_crowd() {
    let mut waiting = waiting(&[("a", "1"), ("a", "2"), ("b", "3"), ("b", "2"), ("c", "2")]);
    assert_eq!(take(&mut waiting, 1, 99, NOBODY), ["a:1"]);
    let (a, b, d) = ("a".into(), "b".into(), "d".into());
    let out = waiting.take_of(&HashSet::from([&a, &b, &d]), |input| text(input).ends_with('2'));
    assert_eq!(out.iter().map(text).collect::<Vec<_>>(), ["a:2", "b:2"]);
    waiting.push(input("a", "4", false));
    assert_eq!((waiting.bytes(), waiting.has_of("a")), (3, true));
    assert_eq!(take(&mut waiting, 2, 99, NOBODY), ["b:3", "c:2"]);
    assert_eq!(take(&mut waiting, 2, 99, NOBODY), ["a:4"]);
}

/// Whatever is done: nothing is lost or told twice, each user's calls stay in order, and the counts are right.
#[test]
fn nothing_is_lost_and_nobody_is_overtaken_by_himself() {
    for seed in 0..500_u64 {
        let mut state = seed;
        let mut below = |bound: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % bound
        };
        let mut waiting = Waiting::default();
        let (mut sent, mut gone, mut put_back) = (0, 0, 0);
        let mut out = Vec::new();
        for _ in 0..200 {
            match below(8) {
                0..4 => {
                    let user = ["a", "b", "c", "d", "e"][below(5) as usize];
                    waiting.push(input(user, &format!("{sent:06}"), below(10) == 0));
                    sent += 1;
                }
                4 => {
                    let user = SmolStr::new(["a", "b"][below(2) as usize]);
                    let odd = |input: &QueuedInput| text(input).ends_with(['1', '3', '5', '7', '9']);
                    // Out of order, and for good.
                    let taken = waiting.take_of(&HashSet::from([&user]), odd);
                    assert!(taken.iter().all(|input| *input.user() == user && odd(input)), "seed {seed}");
                    gone += taken.len();
                }
                _ => {
                    let fill = Fill { calls: 1 + below(4) as usize, bytes: 6 * (1 + below(4) as usize) };
                    let first =
                        if below(4) == 0 { HashSet::from([SmolStr::new("c")]) } else { HashSet::new() };
                    let mut taken = waiting.take(fill, &first);
                    if first.is_empty() {
                        assert!(taken.len() <= fill.calls, "seed {seed}");
                    }
                    let back = taken.split_off(taken.len() - below(taken.len() as u64 + 1) as usize);
                    put_back += back.len();
                    waiting.put_back(back);
                    out.extend(taken.iter().map(text));
                }
            }
            let all =
                waiting.inputs.iter().chain(waiting.crowd.users.values().flatten().map(|(_, input)| input));
            let (bytes, own) = all.fold((0, 0), |(bytes, own), input| {
                (bytes + input.bytes(), own + usize::from(input.is_own()))
            });
            assert_eq!((waiting.bytes, waiting.own.values().sum::<usize>()), (bytes, own), "seed {seed}");
            let turns: HashSet<_> = waiting.crowd.turns.iter().collect();
            assert_eq!(turns, waiting.crowd.users.keys().collect(), "seed {seed}");
            assert_eq!(turns.len(), waiting.crowd.turns.len(), "seed {seed}: one turn each");
        }
        while !waiting.is_empty() {
            out.extend(take(&mut waiting, 3, 99, NOBODY));
        }
        assert!(put_back > 0, "seed {seed}");
        assert_eq!(out.len() + gone, sent, "seed {seed}");
        for user in ["a", "b", "c", "d", "e"] {
            let of_user: Vec<_> = out.iter().filter(|text| text.starts_with(user)).collect();
            assert!(of_user.is_sorted(), "seed {seed}: {of_user:?}");
        }
    }
}

/// A hundred times as much that waits makes a batch no dearer, but for what a cache holds.
#[test]
fn a_batch_costs_no_more_when_much_waits() {
    let time_of = |per_user: usize| {
        let mut waiting = Waiting::default();
        for number in 0..per_user * 100 {
            waiting.push(input(&format!("user{}", number % 100), "x", false));
        }
        let fill = Fill { calls: 20, bytes: 1 << 20 };
        waiting.take(fill, &HashSet::new());
        let time = |_| {
            let began = Instant::now();
            for _ in 0..5 {
                assert_eq!(waiting.take(fill, &HashSet::new()).len(), 20);
            }
            began.elapsed()
        };
        (0..3).map(time).min().unwrap_or(Duration::MAX)
    };
    let floor = time_of(4);
    let crowded = time_of(400);
    assert!(crowded < floor * 20, "{crowded:?} beside {floor:?}");
}
