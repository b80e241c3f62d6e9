//! Accounts: their routes, one refusal after another, and what ends a session.

use std::time::{Duration, Instant};

use godra::account::service::unix_ms;
use serde_json::{Value, json};

use crate::common::accounts::{PASSWORD, User, account, try_user_command, user_command};
use crate::common::http::Response;
use crate::common::server::{Folder, Server};

/// What somebody is told, with the status and the code that go with it.
#[track_caller]
pub fn check_error(response: &Response, status: u16, code: &str, message: &str) {
    assert_eq!((response.status, response.error_code().as_str()), (status, code), "{response:?}");
    let told = response.json()["error"]["message"].as_str().unwrap().to_owned();
    assert!(told.contains(message), "{told}");
}

pub fn credentials(username: &str, password: &str) -> Value {
    json!({"username": username, "password": password})
}

#[test]
fn a_player_registers_logs_in_refreshes_and_logs_out() {
    let server = Server::start(&[]);
    let made = server.post("/register", &credentials("Änne", PASSWORD));
    assert_eq!(made.status, 201, "{made:?}");
    assert_eq!(made.json(), json!({"user_id": "1", "username": "Änne", "role": "player"}));
    let login = server.post("/login", &credentials("ÄNNE", PASSWORD));
    assert_eq!(login.status, 200, "{login:?}");
    assert_eq!(login.header("cache-control"), Some("no-store"));
    let body = login.json();
    assert_eq!(
        (&body["user_id"], &body["username"], &body["role"]),
        (&json!("1"), &json!("Änne"), &json!("player"))
    );
    assert_eq!(body["expires_in"], 86_400);

    let ann = User::from_login(&server, &body);
    assert_eq!(ann.who_am_i().json()["username"], "Änne");
    let refreshed = ann.refresh();
    assert_eq!(refreshed.status, 200, "{refreshed:?}");
    let again = User::from_login(&server, &refreshed.json());
    assert_eq!(again.who_am_i().status, 200);
    assert_eq!(ann.who_am_i().status, 200, "the token before is good until its end");

    let out = again.post("/logout", &json!({}));
    assert_eq!((out.status, out.body.len()), (204, 0), "{out:?}");
    again.wait_until_refused();
    check_error(&ann.who_am_i(), 401, "session_ended", "session has ended");
    check_error(&again.refresh(), 401, "session_ended", "refresh token");
}

#[test]
fn guests_choose_how_they_are_called() {
    let folder = Folder::new();
    folder.write_script("who", "-- ROLE: guest\nreturn godra.user.name .. \" \" .. godra.user.role\n");
    let server = Server::start_in(folder, &[]);
    account(&server, "Änne");
    let log_in = |nickname: &str| server.post("/guest-login", &json!({ "nickname": nickname }));
    let made = log_in("Böö.7").json();
    assert_eq!((&made["username"], &made["role"]), (&json!("Böö.7"), &json!("guest")));
    let guest = User::from_login(&server, &made);
    let who = guest.post("/api/rpc", &json!({"script": "who"})).json();
    assert_eq!(who["result"], "Böö.7 guest");
    // Several may have the same, and it is normalized as names are.
    let twin = log_in("Bo\u{308}ö.7").json();
    assert_eq!(twin["username"], "Böö.7");
    assert_ne!(twin["user_id"], made["user_id"]);
    for nickname in ["Änne", "ÄNNE", "A\u{308}nne"] {
        check_error(&log_in(nickname), 409, "conflict", "an account's");
    }
    check_error(&log_in("admin"), 409, "conflict", "reserved");
    account(&server, "paypal");
    check_error(&log_in("p\u{430}yp\u{430}l"), 409, "conflict", "looks like");
    check_error(&log_in("ab"), 400, "bad_request", "3 to 32 characters");
    check_error(&log_in("guest:x"), 400, "bad_request", "not ':'");
    check_error(&log_in("a\u{202e}bc"), 400, "bad_request", "letters, digits");
    check_error(&server.post("/guest-login", &json!({"nickname": 7})), 400, "bad_request", "nickname");
    // It stays over a refresh, until somebody has registered it.
    let refreshed = guest.refresh().json();
    assert_eq!(refreshed["username"], "Böö.7");
    account(&server, "böö.7");
    let refreshed = User::from_login(&server, &refreshed).refresh().json();
    let name = refreshed["username"].as_str().unwrap();
    assert!(name.starts_with("Guest-") && refreshed["user_id"] == made["user_id"], "{refreshed}");
}

#[test]
fn each_refusal_says_which_rule() {
    let server = Server::start(&[]);
    let register =
        |username: &str, password: &str| server.post("/register", &credentials(username, password));
    check_error(&register("ab", PASSWORD), 400, "bad_request", "3 to 32 characters");
    check_error(&register(&"x".repeat(33), PASSWORD), 400, "bad_request", "3 to 32 characters");
    check_error(&register("ann smith", PASSWORD), 400, "bad_request", "not ' '");
    check_error(&register("ann", "1234567"), 400, "bad_request", "8 to 128 characters");
    check_error(&register("ann", &"x".repeat(129)), 400, "bad_request", "8 to 128 characters");
    assert_eq!(register("Ann", PASSWORD).status, 201);
    check_error(&register("aNN", PASSWORD), 409, "conflict", "taken");
    check_error(&register("Ａnn", PASSWORD), 409, "conflict", "taken");
    check_error(&server.post("/register", &json!({"username": "ben"})), 400, "bad_request", "password");
    check_error(&server.post("/login", &json!([])), 400, "bad_request", "expected");
    check_error(
        &server.post("/refresh", &json!({"refresh_token": "x"})),
        401,
        "unauthorized",
        "refresh token",
    );

    let wrong = server.post("/login", &credentials("Ann", "something else"));
    let unknown = server.post("/login", &credentials("Nobody", "something else"));
    let short = server.post("/login", &credentials("Ann", "x"));
    let impossible = server.post("/login", &credentials("?", "something else"));
    check_error(&wrong, 401, "unauthorized", "the username or the password is wrong");
    assert_eq!([wrong.text(), wrong.text(), wrong.text()], [unknown.text(), short.text(), impossible.text()]);
    let role = server.post("/register", &json!({"username": "eve", "password": PASSWORD, "role": "manager"}));
    assert_eq!(role.json()["role"], "player");
}

#[test]
fn nobody_is_called_what_another_seems_to_be() {
    let folder = Folder::new();
    std::fs::write(folder.path().join("names"), "# ours\nstudio\n").unwrap();
    let server = Server::start_in(folder, &["--reserved-names", "default,bo-ss,@names"]);
    let register = |username: &str| server.post("/register", &credentials(username, PASSWORD));
    for name in ["admin", "\u{430}dmin", "Ad-Min", "BOSS", "boss.", "5tudio", "Studio"] {
        match name {
            "5tudio" => assert_eq!(register(name).status, 201, "a 5 is no S"),
            name => check_error(&register(name), 409, "conflict", "is reserved"),
        }
    }
    assert_eq!(register("Alice").status, 201);
    check_error(&register("alice"), 409, "conflict", "this username is taken");
    for name in ["AIice", "A1ice", "\u{410}lice"] {
        check_error(&register(name), 409, "conflict", "looks like one that is taken");
    }
    let guest = User::guest(&server);
    let upgrade = |name: &str| guest.post("/account/upgrade", &credentials(name, PASSWORD));
    check_error(&upgrade("AIice"), 409, "conflict", "looks like one that is taken");
    check_error(&upgrade("moderator"), 409, "conflict", "is reserved");
    assert_eq!(upgrade("ben").status, 200);

    let database = server.folder().path().join("game.db").display().to_string();
    let made = user_command(server.folder(), &database, &["create", "admin", "--role", "manager"], PASSWORD);
    assert!(made.starts_with("made manager #4 admin"), "who runs the server may: {made}");
    let create = ["create", "a1ice"];
    let (code, _, told) = try_user_command(server.folder(), &database, &create, PASSWORD);
    assert!(code == Some(1) && told.contains("--confusable-names allow"), "{told}");
    let create = ["create", "a1ice", "--confusable-names", "allow"];
    user_command(server.folder(), &database, &create, PASSWORD);
    assert_eq!(User::login(&server, "a1ice", PASSWORD).who_am_i().json()["username"], "a1ice");
}

#[test]
fn names_may_look_alike_if_that_is_allowed() {
    let server = Server::start(&["--confusable-names", "allow", "--reserved-names", "off"]);
    let register = |username: &str| server.post("/register", &credentials(username, PASSWORD));
    for name in ["Alice", "AIice", "admin"] {
        assert_eq!(register(name).status, 201, "{name}");
    }
    check_error(&register("alice"), 409, "conflict", "this username is taken");
}

#[test]
fn a_refresh_token_is_good_once_and_its_reuse_ends_the_session() {
    let server = Server::start(&[]);
    for first in [account(&server, "ann"), User::guest(&server)] {
        let lost = first.refresh().json();
        // The answer was lost, and is asked for again: the client is where it would have been.
        let again = first.refresh();
        assert_eq!(again.status, 200, "{again:?}");
        assert_eq!(again.json()["refresh_token"], lost["refresh_token"]);
        let second = User::from_login(&server, &again.json());
        let third = User::from_login(&server, &second.refresh().json());
        assert_eq!(third.user_id, first.user_id);
        check_error(&first.refresh(), 401, "session_ended", "used before");
        third.wait_until_refused();
        check_error(&third.refresh(), 401, "session_ended", "refresh token");
    }
    server.output().wait_for_line(&["an old refresh token was used again", "user=1"]);
}

#[test]
fn another_password_ends_the_other_sessions() {
    let server = Server::start(&[]);
    let here = account(&server, "ann");
    let there = User::login(&server, "ann", PASSWORD);
    let room = here.create_lobby();
    let mut socket = there.join(&room);
    let change = |old: &str, new: &str| here.post("/account/password", &json!({"old": old, "new": new}));
    check_error(&change(PASSWORD, "short"), 400, "bad_request", "new: a password has 8 to 128");
    check_error(&change("not the old one", "another one"), 403, "forbidden", "old password");
    let guest = User::guest(&server);
    let refused = guest.post("/account/password", &json!({"old": PASSWORD, "new": "another one"}));
    check_error(&refused, 403, "forbidden", "guest");
    assert_eq!(change(PASSWORD, "another one").status, 204);
    assert_eq!(socket.expect_close(), (4001, "session_ended: log in again".to_owned()));
    there.wait_until_refused();
    check_error(&there.refresh(), 401, "session_ended", "refresh token");
    assert_eq!(here.who_am_i().status, 200);
    assert_eq!(here.refresh().status, 200);
    check_error(&server.post("/login", &credentials("ann", PASSWORD)), 401, "unauthorized", "wrong");
    assert_eq!(server.post("/login", &credentials("ann", "another one")).status, 200);
}

#[test]
fn a_guest_becomes_a_player() {
    let server = Server::start(&[]);
    let guest = User::guest(&server);
    account(&server, "taken");
    let room = guest.create_lobby();
    let mut bystander = User::guest(&server).join(&room);
    let mut socket = guest.join(&room);
    let upgrade = |user: &User, name: &str| {
        let body = json!({"username": name, "password": PASSWORD, "rooms": [room, "never-there"]});
        user.post("/account/upgrade", &body)
    };
    check_error(&upgrade(&guest, "taken"), 409, "conflict", "taken");
    let upgraded = upgrade(&guest, "ann");
    assert_eq!(upgraded.status, 200, "{upgraded:?}");
    let ann = User::from_login(&server, &upgraded.json());
    assert_eq!(ann.who_am_i().json()["role"], "player");
    assert_eq!(socket.expect_close().0, 4001);
    let event = bystander.receive_type("player_upgraded");
    let expected = json!({"old_id": guest.user_id, "user_id": ann.user_id, "username": "ann"});
    assert_eq!(event["payload"], expected);
    let welcome = ann.join(&room).welcome;
    let state = &welcome["payload"]["state"];
    assert_eq!(state["owner"], json!(ann.user_id));
    assert!(state["players"].get(&guest.user_id).is_none(), "{state}");
    assert_eq!(state["players"][&ann.user_id]["username"], "ann");
    guest.wait_until_refused();
    check_error(&guest.refresh(), 401, "session_ended", "refresh token");
    check_error(&upgrade(&ann, "ann2"), 403, "forbidden", "only a guest");
}

/// The account is there, but its session is not: the guest may try again.
#[test]
fn an_upgrade_that_failed_half_way_is_tried_again() {
    let server = Server::start(&[]);
    let database = rusqlite::Connection::open(server.folder().path().join("game.db")).unwrap();
    let guest = User::guest(&server);
    let room = guest.create_lobby();
    let mut bystander = User::guest(&server).join(&room);
    let _socket = guest.join(&room);
    let upgrade = |password: &str| {
        guest.post("/account/upgrade", &json!({"username": "ann", "password": password, "rooms": [room]}))
    };
    let refuse = "CREATE TRIGGER refuse BEFORE INSERT ON families BEGIN SELECT RAISE(ABORT, 'no'); END";
    database.execute_batch(refuse).unwrap();
    check_error(&upgrade(PASSWORD), 503, "unavailable", "not available");
    database.execute_batch("DROP TRIGGER refuse").unwrap();
    check_error(&upgrade("another one"), 409, "conflict", "taken");
    let upgraded = upgrade(PASSWORD);
    assert_eq!(upgraded.status, 200, "{upgraded:?}");
    let ann = User::from_login(&server, &upgraded.json());
    let event = bystander.receive_type("player_upgraded");
    assert_eq!(event["payload"]["user_id"], json!(ann.user_id));
    assert_eq!(User::login(&server, "ann", PASSWORD).user_id, ann.user_id);
    guest.wait_until_refused();
}

#[test]
fn a_ban_reaches_sockets_tokens_and_logins_on_all_nodes() {
    let folder = Folder::new();
    let database = folder.path().join("accounts.db").display().to_string();
    let one = Server::start(&["--db-dsn", &database]);
    let two = Server::start(&["--db-dsn", &database]);
    let ben = account(&one, "ben");
    let ben_at_two = User::login(&two, "ben", PASSWORD);
    let guest = User::guest(&two);
    let room = ben_at_two.create_lobby();
    let mut sockets = [ben_at_two.join(&room), guest.join(&room)];
    user_command(&folder, &database, &["create", "ann", "--role", "manager"], PASSWORD);
    let manager = User::login(&one, "ann", PASSWORD);
    assert_eq!(manager.who_am_i().json()["role"], "manager");

    let refused = ben.rpc("ban", json!([guest.user_id]));
    check_error(&refused, 403, "forbidden", "needs the role manager; yours is player");
    check_error(&manager.rpc("ban", json!(["77"])), 404, "not_found", "no such account");
    check_error(&manager.rpc("ban", json!(["someone"])), 400, "bad_request", "user_id");
    check_error(&manager.rpc("ban", json!([manager.user_id])), 403, "forbidden", "godra user");
    check_error(&manager.rpc("unban", json!([ben.user_id])), 404, "not_found", "not banned");

    let began = Instant::now();
    for banned in [&ben, &guest] {
        let response = manager.rpc("ban", json!([banned.user_id, 3600, "be kind"]));
        assert_eq!((response.status, response.json()), (200, json!({"result": "OK"})), "{response:?}");
    }
    for socket in &mut sockets {
        let (code, reason) = socket.expect_close();
        assert!(
            code == 4501 && reason.starts_with("banned until 1") && reason.ends_with(": be kind"),
            "{reason}"
        );
    }
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    for banned in [&ben, &ben_at_two, &guest] {
        banned.wait_until_refused();
        let refused = banned.who_am_i();
        check_error(&refused, 403, "forbidden", "be kind");
        let details = &refused.json()["error"]["details"];
        let left_ms = details["until"].as_u64().unwrap() - unix_ms();
        assert!((3_500_000..=3_600_000).contains(&left_ms) && details["reason"] == "be kind", "{details}");
        check_error(&banned.refresh(), 403, "forbidden", "be kind");
    }
    check_error(&two.post("/login", &credentials("ben", PASSWORD)), 403, "forbidden", "be kind");
    assert_eq!(guest.try_join(&room).err().unwrap().status, 403);

    assert_eq!(manager.rpc("unban", json!([ben.user_id])).status, 200);
    let again = User::login(&two, "ben", PASSWORD);
    again.wait_until_let_in();
    check_error(&ben.refresh(), 401, "session_ended", "refresh token");
}

#[test]
fn a_ban_from_the_command_line_reaches_a_server_that_runs() {
    let server = Server::start(&[]);
    let database = server.folder().path().join("game.db").display().to_string();
    let (ann, ben) = (account(&server, "ann"), account(&server, "ben"));
    let room = ann.create_lobby();
    let (mut anns, mut bens) = (ann.join(&room), ben.join(&room));
    let began = Instant::now();
    let said = user_command(
        server.folder(),
        &database,
        &["ban", "ANN", "--for", "3s", "--reason", "cool down"],
        PASSWORD,
    );
    assert_eq!(said, format!("{} is banned\n", ann.user_id));
    let (code, reason) = anns.expect_close();
    assert!(
        code == 4501 && reason.starts_with("banned until 1") && reason.ends_with(": cool down"),
        "{reason}"
    );
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    check_error(&server.post("/login", &credentials("ann", PASSWORD)), 403, "forbidden", "cool down");
    bens.receive_type("player_left");
    // It ends by itself.
    while server.post("/login", &credentials("ann", PASSWORD)).status != 200 {
        assert!(began.elapsed() < Duration::from_secs(30), "the ban does not end");
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(began.elapsed() >= Duration::from_secs(2), "{:?}", began.elapsed());

    let unban = || try_user_command(server.folder(), &database, &["unban", "ben"], "");
    assert_eq!(unban(), (Some(1), String::new(), format!("godra: {} is not banned\n", ben.user_id)));
    user_command(server.folder(), &database, &["ban", "ben"], "");
    assert_eq!(bens.expect_close().0, 4501);
    assert_eq!(unban(), (Some(0), format!("{} is let in again\n", ben.user_id), String::new()));
    User::login(&server, "ben", PASSWORD).wait_until_let_in();
}

#[test]
fn a_kick_closes_sockets_and_nothing_else() {
    let server = Server::start(&[]);
    let database = server.folder().path().join("game.db").display().to_string();
    user_command(server.folder(), &database, &["create", "ann", "--role", "manager"], PASSWORD);
    let manager = User::login(&server, "ann", PASSWORD);
    let guest = User::guest(&server);
    let room = guest.create_lobby();
    let mut socket = guest.join(&room);
    assert_eq!(manager.rpc("kick", json!([guest.user_id, "out"])).status, 200);
    assert_eq!(socket.expect_close(), (4500, "out".to_owned()));
    guest.join(&room);
}

#[test]
fn a_new_role_counts_at_once() {
    let server = Server::start(&[]);
    let database = server.folder().path().join("game.db").display().to_string();
    let ann = account(&server, "ann");
    let room = ann.create_lobby();
    let mut socket = ann.join(&room);
    user_command(server.folder(), &database, &["role", "ann", "manager"], "");
    let (code, reason) = socket.expect_close();
    assert!(code == 4001 && reason.starts_with("token_expired: your role"), "{code} {reason}");
    ann.wait_until_refused();
    check_error(&ann.who_am_i(), 401, "token_expired", "refresh it");
    let again = User::from_login(&server, &ann.refresh().json());
    assert_eq!(again.who_am_i().json()["role"], "manager");
    let listed = user_command(server.folder(), &database, &["list"], "");
    assert_eq!(listed, "#1\tmanager\tann\n");
}

#[test]
fn bans_and_endings_outlive_a_restart() {
    let folder = Folder::new();
    let database = folder.path().join("accounts.db").display().to_string();
    let (guest, ann);
    {
        let server = Server::start(&["--db-dsn", &database]);
        (guest, ann) = (User::guest(&server).detach(), account(&server, "ann").detach());
        assert_eq!(ann.on(&server).post("/logout", &json!({})).status, 204);
        user_command(&folder, &database, &["ban", &guest.user_id, "--for", "7d"], "");
    }
    let server = Server::start(&["--db-dsn", &database]);
    check_error(&ann.on(&server).who_am_i(), 401, "session_ended", "session has ended");
    check_error(&guest.on(&server).who_am_i(), 403, "forbidden", "banned until");
}
