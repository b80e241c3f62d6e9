//! Inputs with a number run exactly once, whatever happens to the connection and to the server.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::common::numbered::{
    call, check_answers, check_order, input, last_ran, numbers, play_through_cuts, write_scripts,
};
use crate::common::player::Player;
use crate::common::server::{Folder, Guest, Server};
use crate::common::{PATIENCE, wait_until};

fn start(flags: &[&str]) -> Server {
    let folder = Folder::new();
    write_scripts(&folder);
    Server::start_in(folder, flags)
}

fn order(guest: &Guest<'_>, room: &str) -> Vec<u64> {
    let answer = guest.rpc("order", json!([]), &[&format!("game:{room}:order")]);
    numbers(&answer.json()["result"])
}

#[test]
fn each_runs_once_and_is_answered_as_at_first() {
    check_answers(&start(&["--threads", "2"]));
}

#[test]
fn what_did_not_run_holds_back_what_comes_behind_it() {
    check_order(&start(&[]));
}

#[test]
fn numbers_that_are_none_are_refused() {
    let server = start(&[]);
    let guest = server.guest();
    let room = guest.create_lobby(4);
    let mut player = guest.join(&room);
    for n in ["0", "-1", "1.5", "9007199254740993", "\"1\"", "[]"] {
        player.send_text(&format!(r#"{{"action":"tally","payload":{{"n":1}},"id":1,"n":{n}}}"#));
        let error = player.receive_until(|message| message["id"] == 1)["payload"].clone();
        assert_eq!(error["code"], "bad_request", "{n}");
        assert!(error["message"].as_str().unwrap().contains("from 1 to 2^53"), "{n}: {error}");
    }
    assert_eq!(last_ran(&mut player), 0);
    let largest = 1 << 53;
    assert_eq!(call(&mut player, largest, 2, json!({}))[0], 1);
    assert_eq!(last_ran(&mut player), largest);
    assert_eq!(call(&mut player, 1, 3, json!({})), json!({"duplicate": true}));
    assert_eq!(guest.join(&room).welcome["payload"]["n"], largest);
    assert_eq!(order(&guest, &room), [largest]);
}

/// The home of a room is one of three event loops, and most of its members are at another.
#[test]
fn a_client_that_is_cut_off_again_and_again_counts_exactly_once() {
    let server = start(&["--threads", "3", "--sync-interval", "5"]);
    let guest = server.guest();
    for _ in 0..3 {
        let room = guest.create_lobby(4);
        play_through_cuts(|_| guest.join(&room), 100);
        assert_eq!(order(&guest, &room), (1..=100).collect::<Vec<u64>>());
    }
}

/// More than may wait is sent at once: what is refused is sent again, in order, until all have run.
#[test]
fn a_client_that_is_refused_again_and_again_counts_exactly_once() {
    const INPUTS: u64 = 600;
    for flags in [&["--input-rate", "400"][..], &["--input-rate", "0"]] {
        let server = start(flags);
        let guest = server.guest();
        let room = guest.create_lobby(4);
        let mut player = guest.join(&room);
        let (mut done, mut refused) = (0, 0);
        let deadline = Instant::now() + PATIENCE;
        while done < INPUTS {
            assert!(Instant::now() < deadline, "{done} of {INPUTS} have run");
            let texts: Vec<String> = (done + 1..=INPUTS).map(|n| input(n, n, json!({}))).collect();
            texts.iter().for_each(|text| player.send_text(text));
            let before = done;
            for n in before + 1..=INPUTS {
                let answer = player.receive_until(|message| message["id"].is_u64());
                match answer["payload"]["code"].as_str() {
                    None => done = done.max(answer["id"].as_u64().unwrap()),
                    Some("busy" | "rate_limited" | "out_of_order") => refused += 1,
                    other => panic!("{other:?} for {n}"),
                }
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        assert!(refused > 0, "nothing was refused");
        assert_eq!(order(&guest, &room), (1..=INPUTS).collect::<Vec<u64>>());
    }
}

/// Events for others and events for nobody move the position that a heartbeat tells; what comes behind it is above it.
#[test]
fn a_heartbeat_tells_how_far_the_events_are() {
    let server = start(&["--threads", "2"]);
    let (ann_guest, ben_guest) = (server.guest(), server.guest());
    let room = ann_guest.create_lobby(4);
    let (mut ann, mut ben) = (ann_guest.join(&room), ben_guest.join(&room));
    let seq = |player: &mut Player| {
        let answer = player.call("heartbeat", json!(null), 77);
        answer["result"]["seq"].as_u64().unwrap_or_else(|| panic!("{answer}"))
    };
    let known = ann.receive_type("player_joined")["seq"].as_u64().unwrap();
    assert_eq!((seq(&mut ann), seq(&mut ben)), (known, ben.welcome["payload"]["seq"].as_u64().unwrap()));
    call(&mut ben, 1, 1, json!({"to": ben_guest.user_id}));
    call(&mut ben, 2, 2, json!({"to": "nobody"}));
    wait_until("ann's position", || seq(&mut ann) == known + 4);
    assert_eq!(seq(&mut ben), known + 4);
    call(&mut ann, 1, 3, json!({}));
    assert_eq!(ann.receive_type("tallied")["seq"], known + 5);
}

/// A server with a state file is killed again and again: what was in the file has run, and everything else is sent again.
#[test]
fn a_client_whose_server_is_killed_counts_exactly_once() {
    const INPUTS: u64 = 200;
    let files = Folder::empty();
    let start = || {
        let (state, accounts) = (files.path().join("rooms.db"), files.path().join("accounts.db"));
        start(&["--state-file", state.to_str().unwrap(), "--db-dsn", accounts.to_str().unwrap()])
    };
    let mut server = start();
    let written = |server: &Server| server.metric("godra_state_file_writes_total");
    let (token, room) = {
        let guest = server.guest();
        let room = guest.create_lobby(4);
        let (mut player, before) = (guest.join(&room), written(&server));
        // One that was under way may not have it.
        wait_until("the lobby to be written", || {
            player.call("set", json!({"x": 1}), 1);
            written(&server) > before + 1.0
        });
        (guest.token.clone(), room)
    };
    let path = format!("/ws?game_id={room}&token={token}");
    let mut kills = 0;
    loop {
        let mut player =
            Player::connect(server.address(), &path).unwrap_or_else(|refused| panic!("{refused:?}"));
        let ran = player.welcome["payload"]["n"].as_u64().unwrap();
        let guest = server.guest();
        assert_eq!(
            order(&guest, &room),
            (1..=ran).collect::<Vec<u64>>(),
            "numbers and writes belong together"
        );
        if ran == INPUTS {
            break;
        }
        for n in ran + 1..=(ran + 70).min(INPUTS) {
            player.send_text(&input(n, n, json!({})));
            if n % 7 == 0 {
                std::thread::sleep(Duration::from_millis(20 + 10 * kills));
            }
        }
        let writes = written(&server);
        if kills % 2 == 1 {
            wait_until("a checkpoint", || {
                player.call("set", json!({"x": 1}), 1);
                written(&server) > writes + 1.0
            });
        }
        drop(guest);
        server.signal("KILL");
        assert!(!server.wait().success());
        drop(player);
        server = start();
        kills += 1;
        assert!(kills < 40, "it does not come to an end");
    }
    assert!(kills >= 2);
    // A stop in good order keeps the numbers, too.
    server.terminate();
    assert_eq!(server.wait().code(), Some(0));
    let server = self::start(&[
        "--state-file",
        files.path().join("rooms.db").to_str().unwrap(),
        "--db-dsn",
        files.path().join("accounts.db").to_str().unwrap(),
    ]);
    let mut player = Player::connect(server.address(), &path).unwrap_or_else(|refused| panic!("{refused:?}"));
    assert_eq!(player.welcome["payload"]["n"], INPUTS);
    assert_eq!(call(&mut player, INPUTS, 1, json!({})), json!({"duplicate": true}));
    let order: Value = json!(order(&server.guest(), &room));
    assert_eq!(order, json!((1..=INPUTS).collect::<Vec<u64>>()));
}
