//! The embedded store has a bound: what happens there.

use serde_json::json;

use crate::common::full::{check, fill, write_scripts};
use crate::common::server::{Folder, Server};
use crate::common::wait_until;

fn start(flags: &[&str]) -> Server {
    let folder = Folder::new();
    write_scripts(&folder);
    Server::start_in(folder, &[flags, &["--sync-interval", "5"]].concat())
}

#[test]
fn players_go_on_while_the_store_is_full() {
    let server = start(&["--store-memory", "2m"]);
    check(&server);
    assert_eq!(server.metric("godra_store_max_bytes"), f64::from(2 << 20));
}

#[test]
fn the_metrics_tell_how_full_it_is() {
    let server = start(&["--store-memory", "4m"]);
    let guest = server.guest();
    let mut player = guest.join(&guest.create_lobby(4));
    let used = || server.metric("godra_store_bytes");
    wait_until("something to be counted", || used() > 0.0);
    let before = used();
    fill(&mut player);
    wait_until("the store to be full", || (used() - f64::from(4 << 20)).abs() < 30_000.0);
    assert_eq!(player.call("drop", json!(null), 1)["type"], "reply");
    // The room's history counts, and is kept for a while.
    wait_until("the memory to be free", || used() < before + 400_000.0);
}

/// What was stored under a larger bound is not lost, and can be deleted.
#[test]
fn a_state_file_may_hold_more_than_the_store() {
    let files = Folder::empty();
    let (state, accounts) = (files.path().join("rooms.db"), files.path().join("accounts.db"));
    let start = |memory| {
        let (state, accounts) = (state.to_str().unwrap(), accounts.to_str().unwrap());
        start(&["--store-memory", memory, "--state-file", state, "--db-dsn", accounts])
    };
    let mut server = start("4m");
    let guest = server.guest();
    let room = guest.create_lobby(4);
    let (token, user_id) = (guest.token.clone(), guest.user_id.clone());
    let mut player = guest.join(&room);
    let fields = fill(&mut player);
    drop(player);
    server.terminate();
    assert!(server.wait().success());

    let server = start("1m");
    server.output().wait_for_line(&["WARN", "the state file holds more than the store may"]);
    let guest = server.known(&token, &user_id);
    let mut player = guest.join(&room);
    assert_eq!(player.call("sum", json!(null), 1)["result"], json!([fields, fields]));
    assert_eq!(player.call("hoard", json!("more"), 2)["payload"]["code"], "unavailable");
    assert_eq!(player.call("drop", json!(null), 3)["type"], "reply");
    assert_eq!(player.call("hoard", json!("more"), 4)["type"], "reply");
}
