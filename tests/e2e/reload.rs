//! Scripts that change while the server runs.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::common::PATIENCE;
use crate::common::http::Response;
use crate::common::player::Player;
use crate::common::server::{Folder, Guest, Server};
use crate::common::wait_until;

fn version(number: u32) -> String {
    format!("-- ROLE: guest\nreturn {number}\n")
}

fn server_with_version(number: u32) -> Server {
    let folder = Folder::new();
    folder.write_script("version", &version(number));
    Server::start_in(folder, &[])
}

/// Calls until the script returns this; meanwhile every call must succeed.
#[track_caller]
fn wait_for_version(guest: &Guest<'_>, expected: u32) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let response = guest.rpc("version", json!([]), &[]);
        assert_eq!(response.status, 200, "{response:?}");
        if response.json()["result"] == expected {
            return;
        }
        assert!(Instant::now() < deadline, "still {response:?}, not {expected}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_saved_script_serves_at_once() {
    let server = server_with_version(1);
    let guest = server.guest();
    wait_for_version(&guest, 1);
    server.folder().write_script("version", &version(2));
    wait_for_version(&guest, 2);
    server.folder().replace_script("version", &version(3));
    wait_for_version(&guest, 3);
    assert!(server.metric("godra_script_generation") >= 3.0);
}

#[test]
fn a_broken_script_leaves_the_last_good_one() {
    let server = server_with_version(1);
    let guest = server.guest();
    server.folder().write_script("version", "-- ROLE: guest\nreturn 2 +\n");
    server.output().wait_for_line(&["WARN", "version.lua", "line=", "reason="]);
    wait_for_version(&guest, 1);
    wait_for_problems(&server, 1.0);

    server.folder().write_script("version", &version(3));
    wait_for_version(&guest, 3);
    wait_for_problems(&server, 0.0);
}

/// The gauge follows the scripts by a moment.
#[track_caller]
fn wait_for_problems(server: &Server, expected: f64) {
    wait_until("the gauge to follow", || server.metric("godra_script_problems") == expected);
}

#[test]
fn a_half_written_script_does_not_serve() {
    let server = server_with_version(1);
    let guest = server.guest();
    let mut file =
        OpenOptions::new().write(true).truncate(true).open(server.folder().script("version")).unwrap();
    file.write_all(b"-- ROLE: guest\nlocal t = {\n").unwrap();
    file.flush().unwrap();
    server.output().wait_for_line(&["WARN", "version.lua", "line=", "reason="]);
    wait_for_version(&guest, 1);
    file.write_all(b"}\nreturn 2\n").unwrap();
    drop(file);
    wait_for_version(&guest, 2);
}

#[test]
fn half_of_a_script_that_compiles_does_not_serve() {
    let server = server_with_version(1);
    let guest = server.guest();
    let mut file =
        OpenOptions::new().write(true).truncate(true).open(server.folder().script("version")).unwrap();
    for part in [&b"-- ROLE: guest\nif true then"[..], b" return 2", b" end\nreturn 2"] {
        file.write_all(part).unwrap();
        file.flush().unwrap();
        let end = Instant::now() + Duration::from_millis(200);
        while Instant::now() < end {
            assert_eq!(guest.rpc("version", json!([]), &[]).json()["result"], 1);
        }
    }
    file.write_all(b"0\n").unwrap();
    drop(file);
    wait_for_version(&guest, 2);
    wait_for_problems(&server, 0.0);
}

#[test]
fn scripts_come_and_go() {
    let server = server_with_version(1);
    let guest = server.guest();
    assert_eq!(guest.rpc("fresh", json!([]), &[]).status, 404);
    server.folder().write_script("fresh", &version(9));
    let deadline = Instant::now() + PATIENCE;
    let wait_for_status = |expected: u16| {
        while guest.rpc("fresh", json!([]), &[]).status != expected {
            assert!(Instant::now() < deadline, "no {expected}");
            std::thread::sleep(Duration::from_millis(5));
        }
    };
    wait_for_status(200);
    fs::remove_file(server.folder().script("fresh")).unwrap();
    wait_for_status(404);
}

/// Its action would be a hole in the game, and an `OK` for it the developer's despair.
#[test]
fn a_script_that_never_compiled_says_so_to_who_calls_it() {
    let server = server_with_version(1);
    let guest = server.guest();
    let mut player = guest.join(&guest.create_lobby(4));
    server.folder().write_script("fresh", "-- ROLE: guest\nreturn (\n");
    wait_for_problems(&server, 1.0);
    let answer = player.call("fresh", json!({}), 1);
    assert_eq!(answer["payload"]["code"], "script_error", "{answer}");
    let message = answer["payload"]["message"].as_str().unwrap();
    assert!(message.contains("fresh.lua") && message.contains("log"), "{message}");
    let answer = guest.rpc("fresh", json!([]), &[]);
    assert_eq!((answer.status, &answer.json()["error"]["code"]), (500, &json!("script_error")));
    server.folder().write_script("fresh", &version(9));
    wait_until("the mended script", || player.call("fresh", json!({}), 2)["result"] == 9);
    fs::remove_file(server.folder().script("fresh")).unwrap();
    wait_until("the file to be missed", || {
        player.call("fresh", json!({}), 3)["payload"]["code"] == "not_found"
    });
}

#[test]
fn a_hundred_saves_a_second_are_normal() {
    let server = server_with_version(1);
    let guest = server.guest();
    for number in 2..=100 {
        server.folder().replace_script("version", &version(number));
        std::thread::sleep(Duration::from_millis(5));
    }
    wait_for_version(&guest, 100);
    wait_for_problems(&server, 0.0);
}

/// The text as it is written below, with its short SHA-1.
fn tag(text: &str) -> String {
    format!("version@{}", &sha1_smol::Sha1::from(text).digest().to_string()[..8])
}

#[test]
fn answers_tell_which_version_ran() {
    let text = "-- ROLE: guest\nif ARGV[2] == '\"no\"' then godra.error('no', 'not so') end return 1\n";
    let server = server_with_version(1);
    let guest = server.guest();
    let (first, second) = (tag(&version(1)), tag(text));
    let header = |response: &Response| response.header("godra-script").map(str::to_owned);
    assert_eq!(header(&guest.rpc("version", json!([]), &[])), Some(first.clone()));
    assert_eq!(header(&guest.rpc("missing", json!([]), &[])), None);
    let room = guest.create_lobby(4);
    let mut player = guest.join_with(&room, "&versions=1");
    let call = |player: &mut Player, payload: &str, id: u64| {
        let answer = player.call("version", json!(payload), id);
        (answer["type"].as_str().unwrap().to_owned(), answer["script"].as_str().map(str::to_owned))
    };
    assert_eq!(call(&mut player, "yes", 1), ("reply".into(), Some(first)));

    server.folder().replace_script("version", text);
    wait_until("the new version", || header(&guest.rpc("version", json!([]), &[])) == Some(second.clone()));
    assert_eq!(header(&guest.rpc("version", json!(["no", "\"no\""]), &[])), Some(second.clone()));
    assert_eq!(call(&mut player, "yes", 2), ("reply".into(), Some(second.clone())));
    assert_eq!(call(&mut player, "no", 3), ("error".into(), Some(second)));
    player.send_text(r#"{"action":"heartbeat","id":4}"#);
    let heartbeat = player.receive_until(|message| message["id"] == 4);
    assert!(heartbeat.get("script").is_none(), "no script has run: {heartbeat}");
    player.send("version", json!("no"));
    assert!(player.receive_type("error").get("script").is_none(), "an answer without id tells none");

    let other = server.guest();
    let mut unasked = other.join(&room);
    assert_eq!(call(&mut unasked, "yes", 5), ("reply".into(), None));
}

/// Players in a room notice nothing of a reload but the new behaviour.
#[test]
fn sockets_survive_a_reload() {
    let server = server_with_version(1);
    let guest = server.guest();
    let mut player = guest.join(&guest.create_lobby(4));
    assert_eq!(player.call("version", json!({}), 1)["result"], 1);
    server.folder().replace_script("version", &version(2));
    wait_for_version(&guest, 2);
    assert_eq!(player.call("version", json!({}), 2)["result"], 2);
}

#[test]
fn a_saved_library_serves_at_once_in_all_that_require_it() {
    let folder = Folder::new();
    let library = folder.script("number").with_file_name("lib").join("number.lua");
    fs::write(&library, "return 1\n").unwrap();
    folder.write_script("version", "-- ROLE: guest\nreturn require('number')\n");
    let server = Server::start_in(folder, &[]);
    let guest = server.guest();
    wait_for_version(&guest, 1);
    fs::write(&library, "return 2\n").unwrap();
    wait_for_version(&guest, 2);
    fs::write(&library, "return 3 +\n").unwrap();
    server.output().wait_for_line(&["WARN", "lib/number.lua", "line=", "reason="]);
    wait_for_version(&guest, 2);
    fs::write(&library, "return 4\n").unwrap();
    wait_for_version(&guest, 4);
    // What is hardly meant is told, and serves.
    let text = "-- ROLE: guest\nif KEYS[1] then godra.publsh('x') end\nreturn 5\n";
    server.folder().write_script("version", text);
    wait_for_version(&guest, 5);
    server.output().wait_for_line(&["WARN", "version.lua", "line=2", "do you mean godra.publish?"]);
}
