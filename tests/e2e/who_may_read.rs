//! Who may read which documents over HTTP: headers say it of a collection, and the store who is in a room.

use serde_json::{Value, json};

use crate::common::accounts::{PASSWORD, User, account, try_command};
use crate::common::http::Response;
use crate::common::redis::Redis;
use crate::common::server::{Folder, Server, run_to_end};
use crate::common::wait_until;

const KEEP: &str = r#"
-- ROLE: guest
-- KEYS: game:{room}, game:{room}:players
-- ROOM: 1
-- DATA: open/{user} everyone, sealed/{user} nobody, own/{user} owner, plain/{user}, match/{room} room, match/{room}/log
for _, name in ipairs({ "open", "sealed", "own", "plain" }) do
  godra.save(name .. "/" .. godra.user.id, godra.user.id)
end
godra.save("match/" .. godra.room, "the match")
godra.save("match/" .. godra.room .. "/log", "its log")
"#;

/// Neither the default game nor who is in its rooms has anything to do with this one's.
const KEEP_CHESS: &str = r#"
-- ROLE: guest
-- KEYS: game:{room}, game:{room}:players
-- ROOM: 1
-- DATA: match/{room} room
redis.call("SADD", KEYS[2], godra.user.id)
godra.save("match/" .. godra.room, "a game of chess")
"#;

fn folder() -> Folder {
    let folder = Folder::new();
    folder.write_script("keep", KEEP);
    let chess = folder.scripts().join("games/chess");
    std::fs::create_dir_all(&chess).unwrap();
    std::fs::write(chess.join("keep.lua"), KEEP_CHESS).unwrap();
    folder
}

fn get(user: &User, path: &str) -> Response {
    user.send("GET", path, &[], b"")
}

/// What the user gets is the document, as soon as the database has it.
#[track_caller]
fn reads(user: &User, path: &str, value: &str) {
    let mut last = None;
    wait_until("the document", || {
        let response = get(user, path);
        let is_there = response.status == 200 && response.json()["value"] == json!(value);
        last = Some(response);
        is_there
    });
}

/// What the user gets tells nothing: it is to the letter what is said of a document that there is not.
#[track_caller]
fn learns_nothing(user: &User, path: &str) {
    let nothing = get(user, "/data/open/none");
    let refused = get(user, path);
    assert_eq!((nothing.status, refused.status), (404, 404), "{path}: {refused:?}");
    assert_eq!(refused.text(), nothing.text(), "{path}");
    assert_eq!(refused.header("etag"), None);
}

fn check(server: &Server, boss: &User) {
    let [ann, ben] = ["ann", "ben"].map(|name| account(server, name));
    let stranger = User::guest(server);
    let room = ann.create_lobby();
    assert_eq!(ben.rpc("join_lobby", json!([room])).status, 200);
    assert_eq!(ann.rpc("keep", json!([room])).status, 200);
    for (collection, is_ann_let, is_ben_let) in
        [("open", true, true), ("own", true, false), ("plain", true, false), ("sealed", false, false)]
    {
        let path = format!("/data/{collection}/{}", ann.user_id);
        // Once it is in the database, the answers mean something.
        reads(boss, &format!("/api{path}"), &ann.user_id);
        for (user, is_let) in [(&ann, is_ann_let), (&ben, is_ben_let), (&stranger, is_ben_let)] {
            if is_let { reads(user, &path, &ann.user_id) } else { learns_nothing(user, &path) }
        }
    }
    let of_room =
        [(format!("/data/match/{room}"), "the match"), (format!("/data/match/{room}/log"), "its log")];
    for (path, value) in &of_room {
        reads(boss, &format!("/api{path}"), value);
        reads(&ann, path, value);
        reads(&ben, path, value);
        learns_nothing(&stranger, path);
    }
    learns_nothing(&ann, &format!("/data/match/{room}/nothing"));
    learns_nothing(&ann, "/data/match/no%20room");
    learns_nothing(&ann, "/data/match/elsewhere");
    assert_eq!(ben.rpc("leave_lobby", json!([room])).status, 200);
    learns_nothing(&ben, &of_room[0].0);
    reads(&ann, &of_room[0].0, "the match");

    let exported = get(&ann, "/account/data").json();
    let collections: Vec<&str> = exported["documents"]
        .as_array()
        .unwrap()
        .iter()
        .map(|found| found["collection"].as_str().unwrap())
        .collect();
    assert_eq!(collections, ["open", "own", "plain"], "nobody's are left out: {exported}");

    let call: Value = json!({"script": "keep", "args": [room], "game": "chess"});
    assert_eq!(ben.post("/api/rpc", &call).status, 200);
    reads(&ben, &format!("/data/chess~match/chess~{room}"), "a game of chess");
    learns_nothing(&ann, &format!("/data/chess~match/chess~{room}"));
    learns_nothing(&ben, &format!("/data/match/chess~{room}"));
}

fn boss(server: &Server) -> User<'_> {
    let (code, _, stderr) = try_command(
        server.folder(),
        &["user", "create", "boss", "--role", "manager", "--db-dsn", "game.db"],
        PASSWORD,
    );
    assert_eq!(code, Some(0), "{stderr}");
    User::login(server, "boss", PASSWORD)
}

#[test]
fn headers_say_who_reads() {
    let server = Server::start_in(folder(), &["--db-dsn", "game.db", "--threads", "2"]);
    check(&server, &boss(&server));
}

#[test]
fn headers_say_who_reads_on_redis() {
    let mut redis = Redis::start();
    let flags = ["--db-dsn", "game.db", "--threads", "2", "--redis-addr", &redis.address()];
    let server = Server::start_in(folder(), &flags);
    server.output().wait_for_line(&["the store is there"]);
    check(&server, &boss(&server));
    // Who cannot say who is in the room lets nobody read, and says so.
    let ann = User::login(&server, "ann", PASSWORD);
    redis.kill();
    wait_until("a clear refusal", || {
        let refused = get(&ann, "/data/match/elsewhere");
        assert_ne!(refused.status, 200);
        refused.status == 503 && refused.error_code() == "unavailable"
    });
    reads(&ann, &format!("/data/open/{}", ann.user_id), &ann.user_id);
}

#[test]
fn contradictions_are_refused() {
    let folder = folder();
    folder.write_script("peek", "-- DATA: sealed/{user} everyone\nreturn 1");
    folder.write_script("twice", "-- DATA: a/{user} owner, a/x everyone\nreturn 1");
    folder.write_script("users", "-- DATA: b/{user} room\nreturn 1");
    let expected = [
        ["peek.lua", "DATA says everyone of sealed/{user}", "keep.lua nobody of sealed/{user}"],
        ["twice.lua", "a/x", "a/{user}"],
        ["users.lua", "document b/{user} is for members of the room", "b/{room}"],
    ];
    let checked = run_to_end(&folder, &["check", "scripts"], &[]);
    assert_eq!(checked.code, Some(1), "{}", checked.stdout);
    for words in expected {
        let line = checked.stdout.lines().find(|line| words.iter().all(|word| line.contains(word)));
        assert!(line.is_some_and(|line| line.starts_with("error")), "{words:?} in {}", checked.stdout);
    }
    let server = Server::start_in(folder, &[]);
    for words in expected {
        server.output().wait_for_line(&words);
    }
    let ann = account(&server, "ann");
    for script in ["peek", "twice", "users"] {
        let refused = ann.rpc(script, json!([]));
        assert_eq!(refused.error_code(), "script_error", "{refused:?}");
    }
}
