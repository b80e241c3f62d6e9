//! A disk that is full in truth: a file system of a megabyte, in which other files take what there is.

use serde_json::json;

use crate::common::accounts::User;
use crate::common::disk::Disk;
use crate::common::server::{Folder, Server};
use crate::common::wait_until;

const REMEMBER: &str = "-- ROLE: guest
-- KEYS: t:mark, t:bulk
if ARGV[2] then
  redis.call('SET', KEYS[1], ARGV[2])
  redis.call('SET', KEYS[2], string.rep(ARGV[2], 10000))
end
return redis.call('GET', KEYS[1])
";

fn start(state_file: &str) -> Server {
    let folder = Folder::new();
    folder.write_script("remember", REMEMBER);
    Server::start_in(folder, &["--state-file", state_file])
}

#[test]
fn the_state_file_is_whole_once_there_is_room() {
    let disk = Disk::mount();
    let path = disk.file("state.db");
    let path = path.to_str().unwrap();
    let mut server = start(path);
    let guest = server.guest();
    let remember = |mark: &str| assert_eq!(guest.rpc("remember", json!([mark]), &[]).json()["result"], mark);
    let writes = || server.metric("godra_state_file_writes_total");
    remember("before");
    wait_until("the first writes", || writes() >= 1.0);
    disk.fill();
    // Each is larger than what was there, so that it needs room.
    remember("during it");
    server.output().wait_for_line(&["ERROR", "the state file cannot be written"]);
    remember("newest of all");
    disk.make_room();
    server.output().wait_for_line(&["INFO", "the state file is written again"]);
    server.signal("KILL");
    server.wait();
    let server = start(path);
    assert_eq!(server.guest().rpc("remember", json!([]), &[]).json()["result"], "newest of all");
}

#[test]
fn accounts_are_refused_until_there_is_room() {
    let disk = Disk::mount();
    let database = disk.file("game.db");
    let flags = ["--db-dsn", database.to_str().unwrap()];
    let mut server = Server::start(&flags);
    let guest = server.guest();
    let mut player = guest.join(&guest.create_lobby(4));
    let register = |server: &Server, name: &str| {
        server.post("/register", &json!({"username": name, "password": "a long word"}))
    };
    assert_eq!(register(&server, "before").status, 201);
    disk.fill();
    for name in ["during", "another"] {
        let refused = register(&server, name);
        assert_eq!((refused.status, refused.error_code().as_str()), (503, "unavailable"), "{refused:?}");
    }
    server.output().wait_for_line(&["ERROR", "game.db", "full"]);
    assert_eq!(player.call("set", json!({"x": 1}), 1)["type"], "reply");
    disk.make_room();
    wait_until("accounts to be made again", || register(&server, "during").status == 201);
    server.signal("KILL");
    server.wait();
    let server = Server::start(&flags);
    for name in ["before", "during"] {
        User::login(&server, name, "a long word");
    }
    assert_eq!(register(&server, "another").status, 201, "what was refused is not there");
}
