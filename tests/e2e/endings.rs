//! Accounts that are deleted, renamed, or get another password from their operator.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::accounts::{check_error, credentials};
use crate::common::accounts::{PASSWORD, User, account, try_user_command, user_command};
use crate::common::http::Response;
use crate::common::player::Player;
use crate::common::server::{Folder, Server};
use crate::common::wait_until;

const DELETED: &str = "session_ended: this account was deleted";
const SIT: &str =
    "-- ROLE: guest\n-- KEYS: game:{room}:seats\n-- ROOM: 1\nredis.call('SADD', KEYS[1], ARGV[1])\n";
const ON_DISCONNECT: &str = r#"-- KEYS: game:{room}, game:{room}:players, game:{room}:left
local n = redis.call("HINCRBY", KEYS[3], ARGV[1], 1)
godra.publish("gone", { user_id = ARGV[1], n = n })
"#;

fn delete(user: &User, password: &str) -> Response {
    user.request("DELETE", "/account", &json!({ "password": password }))
}

fn rename(user: &User, name: &str, password: &str) -> Response {
    user.request("PATCH", "/account", &credentials(name, password))
}

/// Waits until the hook has taken somebody out of the room, and checks that it did so once.
#[track_caller]
fn expect_gone(watching: &mut Player, user: &User) {
    let event = watching.receive_type("gone");
    assert_eq!(event["payload"], json!({"user_id": user.user_id, "n": 1}));
}

#[test]
fn a_deleted_account_is_gone_on_all_nodes() {
    let folder = Folder::new();
    folder.write_script("on_disconnect", ON_DISCONNECT);
    folder.write_script("sit", SIT);
    let database = folder.path().join("accounts.db").display().to_string();
    let one = Server::start(&["--db-dsn", &database]);
    let two = Server::start_in(folder, &["--db-dsn", &database]);
    let ann = account(&one, "Ann");
    let at_two = User::login(&two, "ann", PASSWORD);
    let watcher = User::guest(&two);
    let (room, other_room) = (watcher.create_lobby(), watcher.create_lobby());
    let (mut watching, mut watching_other) = (watcher.join(&room), watcher.join(&other_room));
    let mut socket = at_two.join(&room);
    assert_eq!(at_two.rpc("sit", json!([other_room])).status, 200);

    check_error(&delete(&ann, "not the password"), 403, "forbidden", "the password is wrong");
    check_error(&ann.request("DELETE", "/account", &json!({})), 400, "bad_request", "PASSWORD");
    check_error(&ann.request("DELETE", "/account", &json!([])), 400, "bad_request", "expected");
    let stranger =
        one.request("DELETE", "/account", &[], json!({"password": PASSWORD}).to_string().as_bytes());
    check_error(&stranger, 401, "unauthorized", "token");
    assert_eq!(ann.who_am_i().status, 200, "nothing has happened yet");

    let began = Instant::now();
    let deleted = delete(&ann, PASSWORD);
    assert_eq!((deleted.status, deleted.body.len()), (204, 0), "{deleted:?}");
    assert_eq!(socket.expect_close(), (4001, DELETED.to_owned()));
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    // The seat of the socket, and what it had by calls.
    expect_gone(&mut watching, &at_two);
    expect_gone(&mut watching_other, &at_two);
    for user in [&ann, &at_two] {
        user.wait_until_refused();
        check_error(&user.who_am_i(), 401, "session_ended", "log in again");
        check_error(&user.refresh(), 401, "session_ended", "log in again");
        check_error(&delete(user, PASSWORD), 401, "session_ended", "log in again");
        assert_eq!(user.try_join(&room).err().unwrap().status, 401);
    }
    check_error(&two.post("/login", &credentials("ann", PASSWORD)), 401, "unauthorized", "wrong");
    one.output().wait_for_line(&["deleted accounts", "user=1"]);
    assert_eq!(one.metric("godra_account_events_total{event=\"deleted\"}"), 1.0);

    // The name is free, and leads to somebody else.
    let heir = account(&two, "ann");
    assert_ne!(heir.user_id, ann.user_id);
    assert_eq!(heir.who_am_i().status, 200);
    check_error(&ann.refresh(), 401, "session_ended", "log in again");
}

#[test]
fn a_guest_deletes_itself_with_its_token_alone() {
    let folder = Folder::new();
    folder.write_script("on_disconnect", ON_DISCONNECT);
    folder.write_script("sit", SIT);
    let server = Server::start_in(folder, &["--guest-ttl", "3s"]);
    let watcher = User::guest(&server);
    let (room, other_room) = (watcher.create_lobby(), watcher.create_lobby());
    let (mut watching, mut watching_other) = (watcher.join(&room), watcher.join(&other_room));
    let guest = User::guest(&server);
    let mut socket = guest.join(&room);
    assert_eq!(guest.rpc("sit", json!([other_room])).status, 200);
    let body = Value::Null;
    assert_eq!(guest.request("DELETE", "/account", &body).status, 400, "null is no object");
    let deleted = guest.request("DELETE", "/account", &json!({}));
    assert_eq!(deleted.status, 204, "{deleted:?}");
    assert_eq!(socket.expect_close(), (4001, DELETED.to_owned()));
    expect_gone(&mut watching, &guest);
    expect_gone(&mut watching_other, &guest);
    guest.wait_until_refused();
    // Its first refresh token had not been written down.
    check_error(&guest.refresh(), 401, "session_ended", "log in again");
    check_error(&guest.who_am_i(), 401, "session_ended", "log in again");
    // The book forgets it in its own time, and the rooms hear nothing of it a second time.
    wait_until("the guest to be cleaned up", || server.metric("godra_guests_expired_total") >= 1.0);
    assert_eq!(watching_other.receive_within(Duration::from_millis(300)), None);
    check_error(&rename(&watcher, "somebody", PASSWORD), 403, "forbidden", "a guest has no password");
}

/// A stolen token does not find the password out.
#[test]
fn whoever_guesses_at_an_account_with_its_token_waits() {
    let server = Server::start(&[]);
    let ann = account(&server, "ann");
    let guess = |attempt: usize| match attempt % 2 {
        0 => delete(&ann, "not the password"),
        _ => rename(&ann, "eve", "not the password"),
    };
    for attempt in 0..5 {
        check_error(&guess(attempt), 403, "forbidden", "the password is wrong");
    }
    // A wait that is over before the next guess comes is followed by a longer one.
    let limited = (5..10).map(guess).find(|answer| answer.status == 429).expect("it has to wait");
    assert!(limited.header("retry-after").is_some(), "{limited:?}");
    assert_eq!(ann.who_am_i().status, 200);
}

#[test]
fn a_renamed_account_goes_on_under_its_new_name() {
    let folder = Folder::new();
    let database = folder.path().join("accounts.db").display().to_string();
    let one = Server::start(&["--db-dsn", &database]);
    let two = Server::start(&["--db-dsn", &database]);
    let ann = account(&one, "ann");
    let at_two = User::login(&two, "ann", PASSWORD);
    let ben = account(&one, "ben");
    let room = at_two.create_lobby();
    let mut watching = User::guest(&two).join(&room);
    let mut socket = at_two.join(&room);
    assert_eq!(watching.receive_type("player_joined")["payload"]["username"], "ann");

    check_error(&rename(&ann, "zoe", "not the password"), 403, "forbidden", "the password is wrong");
    check_error(&rename(&ann, "z", PASSWORD), 400, "bad_request", "3 to 32 characters");
    check_error(&rename(&ann, "BEN", PASSWORD), 409, "conflict", "taken");
    check_error(&rename(&ann, "moderator", PASSWORD), 409, "conflict", "is reserved");
    check_error(&rename(&ann, "b\u{435}n", PASSWORD), 409, "conflict", "looks like");
    assert_eq!(ann.who_am_i().json()["username"], "ann");

    let renamed = rename(&ann, "Zoë", PASSWORD);
    assert_eq!(renamed.status, 200, "{renamed:?}");
    assert_eq!(renamed.json(), json!({"user_id": ann.user_id, "username": "Zoë", "role": "player"}));
    // Tokens from before go on, and speak for the new name on every node.
    for user in [&ann, &at_two] {
        wait_until("the new name to be known", || user.who_am_i().json()["username"] == "Zoë");
    }
    // An open socket goes on as it was; the next join has the new name.
    socket.send("send_chat", json!({"message": "still here"}));
    assert_eq!(watching.receive_type("chat")["payload"]["username"], "ann");
    drop(socket);
    let back = at_two.join(&room);
    assert_eq!(back.welcome["payload"]["username"], "Zoë");
    let refreshed = ann.refresh();
    assert_eq!(refreshed.json()["username"], "Zoë");

    check_error(&one.post("/login", &credentials("ann", PASSWORD)), 401, "unauthorized", "wrong");
    assert_eq!(User::login(&one, "ZOË", PASSWORD).user_id, ann.user_id);
    // Who gets the old name is somebody else, also on a token of before.
    assert_eq!(rename(&ben, "Ann", PASSWORD).status, 200);
    assert_eq!(User::login(&two, "ann", PASSWORD).user_id, ben.user_id);
    assert_eq!(at_two.who_am_i().json()["username"], "Zoë");
    // In another case it is one's own.
    assert_eq!(rename(&ben, "ANN", PASSWORD).json()["username"], "ANN");
    assert_eq!(one.metric("godra_account_events_total{event=\"renamed\"}"), 3.0);
}

fn reset(server: &Server, username: &str, code: &str, password: &str) -> Response {
    server.post("/account/reset", &json!({"username": username, "code": code, "password": password}))
}

fn database_of(server: &Server) -> String {
    server.folder().path().join("game.db").display().to_string()
}

/// The code that the operator is shown.
fn code_for(server: &Server, name: &str) -> String {
    let said = user_command(server.folder(), &database_of(server), &["reset", name], "");
    let code = said.lines().next().unwrap().to_owned();
    assert!(code.len() == 19 && said.contains("once, within 60 min"), "{said}");
    code
}

const ANOTHER: &str = "another horse";

#[test]
fn a_code_from_the_operator_sets_another_password_once() {
    let server = Server::start(&[]);
    let ann = account(&server, "Ann");
    let eve = account(&server, "eve");
    let room = ann.create_lobby();
    let mut socket = ann.join(&room);
    let (early, code) = (code_for(&server, "ann"), code_for(&server, "#1"));
    let wrong = "the username or the code is wrong";
    check_error(&reset(&server, "ann", &early, ANOTHER), 401, "unauthorized", wrong);
    check_error(&reset(&server, "eve", &code, ANOTHER), 401, "unauthorized", wrong);
    check_error(&reset(&server, "ann", &code, "short"), 400, "bad_request", "8 to 128 characters");
    check_error(&server.post("/account/reset", &json!({"username": "ann"})), 400, "bad_request", "code");
    assert_eq!(ann.who_am_i().status, 200);

    let typed = code.to_lowercase().replace('-', " ");
    let done = reset(&server, "ANN", &typed, ANOTHER);
    assert_eq!((done.status, done.body.len()), (204, 0), "{done:?}");
    assert_eq!(socket.expect_close(), (4001, "session_ended: log in again".to_owned()));
    ann.wait_until_refused();
    check_error(&ann.refresh(), 401, "session_ended", "log in again");
    check_error(&server.post("/login", &credentials("ann", PASSWORD)), 401, "unauthorized", "wrong");
    assert_eq!(User::login(&server, "ann", ANOTHER).user_id, ann.user_id);
    check_error(&reset(&server, "ann", &code, PASSWORD), 401, "unauthorized", wrong);
    assert_eq!(eve.who_am_i().status, 200);
    let log = server.output().wait_for_line(&["reset a password", "user=1"]);
    assert!(!log.contains(&code), "{log}");
    assert_eq!(server.metric("godra_account_events_total{event=\"reset\"}"), 1.0);
}

/// Neither words nor the number of tries before a wait tell names apart; and codes are not guessed.
#[test]
fn a_wrong_code_tells_nothing_and_is_counted_as_a_login() {
    let server = Server::start(&["--trusted-proxy", "127.0.0.1"]);
    account(&server, "ann");
    let code = code_for(&server, "ann");
    let guess = |name: &str, address: &str, code: &str| {
        let body = json!({"username": name, "code": code, "password": ANOTHER}).to_string();
        let headers = [("Content-Type", "application/json"), ("X-Forwarded-For", address)];
        server.request("POST", "/account/reset", &headers, body.as_bytes())
    };
    let answers = |name: &str, address: &str| -> Vec<String> {
        (0..5).map(|_| guess(name, address, "ABCD-EFGH-JKLM-NPQR").text()).collect()
    };
    let (known, unknown) = (answers("ann", "198.51.100.1"), answers("nobody", "198.51.100.2"));
    assert_eq!(known, unknown);
    assert!(known.iter().all(|answer| answer.contains("unauthorized")), "{known:?}");
    assert_eq!(answers("?", "198.51.100.3"), known);
    for (name, address) in [("ann", "198.51.100.1"), ("nobody", "198.51.100.2")] {
        // A wait that is over before the next guess comes is followed by a longer one.
        let mut guesses = (0..5).map(|_| guess(name, address, "no code"));
        assert!(guesses.any(|answer| answer.status == 429), "{name} does not have to wait");
    }
    // The wait is short, and the code goes on to be good.
    let began = Instant::now();
    while guess("ann", "198.51.100.5", &code).status != 204 {
        assert!(began.elapsed() < Duration::from_secs(60), "the wait does not end");
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn a_manager_makes_codes_for_players() {
    let server = Server::start(&["--reset-ttl", "2s"]);
    let (ann, ben) = (account(&server, "ann"), account(&server, "ben"));
    let database = database_of(&server);
    user_command(server.folder(), &database, &["create", "max", "--role", "manager"], PASSWORD);
    let max = User::login(&server, "max", PASSWORD);
    let make = |by: &User, id: &str| by.post(&format!("/api/users/{id}/reset"), &json!({}));
    check_error(&make(&ben, &ann.user_id), 403, "forbidden", "manager");
    check_error(&make(&max, &max.user_id), 403, "forbidden", "godra user");
    check_error(&make(&max, "77"), 404, "not_found", "no such account");
    check_error(&make(&max, "ann"), 400, "bad_request", "user_id");
    check_error(&make(&max, &User::guest(&server).user_id), 400, "bad_request", "a guest has no password");
    let made = make(&max, &ann.user_id);
    assert_eq!(made.status, 200, "{made:?}");
    assert_eq!(made.header("cache-control"), Some("no-store"));
    let body = made.json();
    assert_eq!((&body["user_id"], &body["expires_in"]), (&json!(ann.user_id), &json!(2)));
    let code = body["code"].as_str().unwrap();
    assert_eq!(reset(&server, "ann", code, ANOTHER).status, 204);
    let log = server.output().wait_for_line(&["made a reset code", "user=1", "by=3"]);
    assert!(!log.contains(code), "{log}");

    let late = make(&max, &ben.user_id).json();
    std::thread::sleep(Duration::from_millis(3100));
    check_error(
        &reset(&server, "ben", late["code"].as_str().unwrap(), ANOTHER),
        401,
        "unauthorized",
        "not good any more",
    );
}

#[test]
fn the_operator_renames_and_deletes() {
    let server = Server::start(&[]);
    let (ann, ben) = (account(&server, "ann"), account(&server, "ben"));
    let mut socket = ann.join(&ann.create_lobby());
    let database = database_of(&server);
    let run = |arguments: &[&str]| try_user_command(server.folder(), &database, arguments, "");
    let refused = |arguments: &[&str], words: &str| {
        let (code, _, told) = run(arguments);
        assert!(
            code == Some(1) && told.contains(words) && told.lines().count() == 1,
            "{arguments:?}: {told}"
        );
    };
    refused(&["rename", "ann", "BEN"], "the username \"BEN\" is taken");
    refused(&["rename", "ann", "b"], "3 to 32 characters");
    refused(&["rename", "ann", "b\u{435}n"], "looks like one that is taken");
    refused(&["rename", "nobody", "zoe"], "there is no account \"nobody\"");
    refused(&["delete", "ann"], "this deletes #1 player ann for good; say it again with --yes");
    refused(&["reset", "nobody"], "there is no account");
    refused(&["reset", "ann", "--reset-ttl", "soon"], "--reset-ttl");
    assert_eq!(run(&["rename", "ann", "Zoë"]), (Some(0), "#1 ann is Zoë now\n".to_owned(), String::new()));
    wait_until("the new name to be known", || ann.who_am_i().json()["username"] == "Zoë");
    let deleted = run(&["delete", "zoë", "--yes"]);
    assert_eq!(deleted, (Some(0), "deleted #1 player Zoë\n".to_owned(), String::new()));
    assert_eq!(socket.expect_close(), (4001, DELETED.to_owned()));
    ann.wait_until_refused();
    check_error(&ann.refresh(), 401, "session_ended", "log in again");
    refused(&["delete", "#1", "--yes"], "there is no account");
    assert_eq!(ben.who_am_i().status, 200);
}
