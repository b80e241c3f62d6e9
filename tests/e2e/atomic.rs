//! A call that fails has changed nothing, whatever way it fails.

use serde_json::json;

use crate::common::atomic::{check, write_scripts};
use crate::common::server::{Folder, Server};

#[test]
fn a_call_that_fails_has_changed_nothing() {
    let folder = Folder::new();
    write_scripts(&folder);
    let server = Server::start_in(folder, &[]);
    let mut endings = vec!["error", "command", "coded", "reply"];
    // A loop in Redis holds the store for as long as it likes.
    if std::env::var_os("GODRA_TEST_REDIS").is_none() {
        endings.push("loop");
    }
    check(&server, &endings);
}

/// Valkey's own `server` would go past what notes writes.
#[test]
fn so_has_one_that_calls_the_library_by_its_other_name() {
    let folder = Folder::new();
    let text = "-- ROLE: guest\n-- KEYS: game:{room}:other\nserver.call('INCR', KEYS[1])\nerror('no')\n";
    folder.write_script("fail_otherwise", text);
    folder.write_script(
        "look",
        "-- ROLE: guest\n-- KEYS: game:{room}:other\nreturn server.call('EXISTS', KEYS[1])\n",
    );
    let server = Server::start_in(folder, &[]);
    let guest = server.guest();
    let key = format!("game:{}:other", guest.create_lobby(4));
    assert_eq!(guest.rpc("fail_otherwise", json!([]), &[&key]).status, 500);
    assert_eq!(guest.rpc("look", json!([]), &[&key]).json()["result"], json!(0));
}
