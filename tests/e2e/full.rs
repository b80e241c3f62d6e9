//! The embedded store has a bound: what happens there.

use serde_json::json;

use crate::common::accounts::{PASSWORD, User, user_command};
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

#[test]
fn managers_are_told_which_rooms_are_the_largest() {
    let files = Folder::empty();
    let database = files.path().join("accounts.db");
    let database = database.to_str().unwrap();
    user_command(&files, database, &["create", "ann", "--role", "manager"], PASSWORD);
    let server = start(&["--store-memory", "4m", "--db-dsn", database]);
    let (greedy, modest) = (server.guest(), server.guest());
    let [large, small] = [&greedy, &modest].map(|guest| guest.create_lobby(4));
    let mut player = greedy.join(&large);
    fill(&mut player);
    drop(modest.join(&small));

    let manager = User::login(&server, "ann", PASSWORD);
    let ask = |path: &str| manager.request("GET", path, &json!(null));
    wait_until("the rooms to be counted", || ask("/rooms/largest").status == 200);
    let told = ask("/rooms/largest").json();
    let (first, second) = (&told["rooms"][0], &told["rooms"][1]);
    assert_eq!([&first["room"], &second["room"]], [&large, &small].map(|room| json!(room)).each_ref());
    assert_eq!((&first["owner"], &first["members"]), (&json!(greedy.user_id), &json!(1)), "{told}");
    assert!(first["bytes"].as_u64() > Some(3 << 20) && second["bytes"].as_u64() < Some(10_000), "{told}");
    assert_eq!(told["owners"][0]["owner"], greedy.user_id.as_str());
    assert_eq!(told["owners"][0]["rooms"], 1);
    assert_eq!(ask("/rooms/largest?limit=1").json()["rooms"].as_array().map(Vec::len), Some(1));

    for (path, status) in
        [("/rooms/largest?limit=0", 400), ("/rooms/largest?limit=101", 400), ("/rooms/largest?limit=x", 400)]
    {
        assert_eq!(ask(path).status, status, "{path}");
    }
    let refused = User::guest(&server).request("GET", "/rooms/largest", &json!(null));
    assert_eq!((refused.status, refused.error_code().as_str()), (403, "forbidden"));
    assert_eq!(server.get("/rooms/largest").status, 401);
}
