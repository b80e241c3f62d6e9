//! The stock scripts for what players keep, on the real documents.

use serde_json::{Value, json};

use crate::common::accounts::{PASSWORD, User, account, try_command};
use crate::common::http::Response;
use crate::common::redis::Redis;
use crate::common::server::{Folder, Server};
use crate::common::wait_until;

/// A result that is JSON text, or the text itself.
#[track_caller]
fn result(response: &Response) -> Value {
    assert_eq!(response.status, 200, "{response:?}");
    let result = response.json()["result"].take();
    result.as_str().and_then(|text| serde_json::from_str(text).ok()).unwrap_or(result)
}

#[track_caller]
fn call(user: &User<'_>, script: &str, argument: &Value) -> Value {
    result(&user.rpc(script, json!([argument])))
}

#[track_caller]
fn refused(user: &User<'_>, script: &str, argument: &Value, code: &str) {
    let response = user.rpc(script, json!([argument]));
    assert_eq!(response.error_code(), code, "{response:?}");
}

#[test]
fn profiles_and_friends_last() {
    let files = Folder::empty();
    let dsn = files.path().join("game.db");
    let flags = ["--db-dsn", dsn.to_str().unwrap(), "--state-file", "off"];
    let mut server = Server::start(&flags);
    let (ann, ben) = (account(&server, "ann"), account(&server, "ben"));
    let eve = account(&server, "eve");
    call(&ann, "set_profile", &json!({ "name": "Ann", "settings": { "volume": 0.5 } }));
    refused(&ann, "change_friends", &json!({ "verb": "ask", "user_id": ben.user_id }), "not_found");
    for user in [&ben, &eve] {
        assert_eq!(call(user, "get_profile", &json!({}))["version"], 1);
    }
    let room = ben.create_lobby();
    let mut player = ben.join(&room);
    let ask = json!({ "verb": "ask", "user_id": ben.user_id });
    assert_eq!(call(&ann, "change_friends", &ask), "asked");
    let told = player.receive_type("friend_asked");
    assert_eq!(told["payload"], json!({ "user_id": ann.user_id, "name": "Ann" }));
    let accepted = player.call("change_friends", json!({ "verb": "accept", "user_id": ann.user_id }), 1);
    assert_eq!(accepted["result"], "friends", "{accepted}");
    call(&ben, "change_friends", &json!({ "verb": "block", "user_id": eve.user_id }));
    let at_ben = json!({ "user_id": ben.user_id });
    refused(&eve, "view_profile", &at_ben, "not_found");
    let guest = server.guest().rpc("get_profile", json!([]), &[]);
    assert_eq!(guest.error_code(), "forbidden", "{guest:?}");
    let (ann, ben) = (ann.detach(), ben.detach());
    drop((eve, player));
    server.terminate();
    assert!(server.wait().success());

    let server = Server::start(&flags);
    let (ann, ben) = (ann.on(&server), ben.on(&server));
    for (user, other) in [(&ann, &ben), (&ben, &ann)] {
        let listed = call(user, "list_friends", &json!({}));
        assert_eq!(listed["friends"][0]["user_id"], *other.user_id, "{listed}");
    }
    let shown = call(&ben, "view_profile", &json!({ "user_id": ann.user_id }));
    assert_eq!((&shown["name"], &shown["settings"]), (&json!("Ann"), &Value::Null));
    let own = ann.request("GET", &format!("/data/profile/{}", ann.user_id), &Value::Null);
    assert_eq!(own.json()["value"]["settings"], json!({ "volume": 0.5 }), "{own:?}");
    let others = ben.request("GET", &format!("/data/profile/{}", ann.user_id), &Value::Null);
    assert!(others.status >= 400, "a script says what others see: {others:?}");
}

/// Two who are friends, one of whom has these items.
fn make_friends(server: &Server, boss: &User<'_>, [ann, ben]: [&User<'_>; 2], items: &Value) {
    for user in [ann, ben] {
        call(user, "get_profile", &json!({}));
    }
    for (user, other) in [(ann, ben), (ben, ann)] {
        call(user, "change_friends", &json!({ "verb": "ask", "user_id": other.user_id }));
    }
    call(boss, "grant_items", &json!({ "user_id": ann.user_id, "items": items }));
    let refused = server.guest().rpc("grant_items", json!([{ "user_id": "1", "items": {} }]), &[]);
    assert_eq!(refused.error_code(), "forbidden", "{refused:?}");
}

fn manager<'s>(server: &'s Server, database: &[&str]) -> User<'s> {
    let arguments = [&["user", "create", "boss", "--role", "manager"], database].concat();
    let (code, _, stderr) = try_command(server.folder(), &arguments, PASSWORD);
    assert_eq!(code, Some(0), "{stderr}");
    User::login(server, "boss", PASSWORD)
}

/// However often a claim is sent, and an accepted offer accepted, at the same time: it counts once.
#[test]
fn rewards_and_trades_count_once_whoever_is_fastest() {
    const AT_ONCE: usize = 8;
    let files = Folder::empty();
    let dsn = files.path().join("game.db");
    let database = ["--db-dsn", dsn.to_str().unwrap()];
    let server = Server::start(&[&database[..], &["--state-file", "off"]].concat());
    let boss = manager(&server, &database);
    let (ann, ben) = (account(&server, "ann"), account(&server, "ben"));
    make_friends(&server, &boss, [&ann, &ben], &json!({ "sword": 1 }));
    let at_once = |user: &User<'_>, script: &str, argument: &Value| -> Vec<Response> {
        std::thread::scope(|scope| {
            let send = || user.rpc(script, json!([argument]));
            let calls: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(send)).collect();
            calls.into_iter().map(|call| call.join().unwrap()).collect()
        })
    };
    let claims = at_once(&ann, "claim_daily", &json!({}));
    // At midnight there are two days.
    let claimed = claims.iter().filter(|claim| result(claim)["claimed"] == true).count();
    let streak = call(&ann, "claim_daily", &json!({ "claim": false }))["streak"].as_u64().unwrap();
    assert_eq!((claimed as u64, streak >= 1), (streak, true), "{claims:?}");

    for _ in 0..3 {
        let offer = json!({ "verb": "offer", "user_id": ben.user_id, "gives": { "sword": 1 } });
        let version = call(&ann, "trade", &offer)["version"].clone();
        let accept = json!({ "verb": "accept", "user_id": ann.user_id, "version": version });
        let accepted = at_once(&ben, "trade", &accept);
        assert_eq!(accepted.iter().filter(|answer| answer.status == 200).count(), 1, "{accepted:?}");
        let swords =
            [&ann, &ben].map(|user| call(user, "get_inventory", &json!({}))["items"]["sword"].clone());
        assert_eq!(swords, [Value::Null, json!(1)]);
        let back = json!({ "verb": "offer", "user_id": ann.user_id, "gives": { "sword": 1 } });
        let version = call(&ben, "trade", &back)["version"].clone();
        call(&ann, "trade", &json!({ "verb": "accept", "user_id": ben.user_id, "version": version }));
    }
}

#[test]
fn a_season_ends_by_itself_and_is_read_by_everyone() {
    let files = Folder::empty();
    let dsn = files.path().join("game.db");
    let database = ["--db-dsn", dsn.to_str().unwrap()];
    let server = Server::start(&[&database[..], &["--state-file", "off"]].concat());
    server.folder().write_script(
        "score",
        "-- ROLE: guest\ngodra.tell(nil, 'add_score', { board = 'arena', user_id = godra.user.id, username = godra.user.name, score = 7 })\n",
    );
    let boss = manager(&server, &database);
    let ann = account(&server, "ann");
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis() as u64;
    let mut season = json!({ "name": "first", "board": "arena", "ends_at": now + 3_600_000 });
    refused(&ann, "start_season", &season, "forbidden");
    assert_eq!(call(&boss, "start_season", &season), "OK");
    wait_until("the new script serves", || ann.rpc("score", json!([])).status == 200);
    let ranked = || result(&ann.rpc("ranking", json!(["arena", { "period": "season" }])))["players"] == 1;
    wait_until("the score counts", ranked);
    refused(&ann, "season", &json!({ "name": "first" }), "not_found");
    // Its end is moved to soon, however slow this machine is.
    wait_until("the end is moved", || {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis();
        season["ends_at"] = json!(now as u64 + 500);
        boss.rpc("start_season", json!([season])).status == 200
    });
    let guest = server.guest();
    wait_until("it is archived", || guest.rpc("season", json!([{ "name": "first" }]), &[]).status == 200);
    let archived = call(&ann, "season", &json!({ "name": "first" }));
    let first = json!({ "rank": 1, "user_id": ann.user_id, "username": "ann", "score": 7 });
    assert_eq!((&archived["entries"], &archived["me"]), (&json!([first]), &first));
}

#[test]
fn the_stock_scripts_serve_on_redis() {
    let redis = Redis::start();
    let server = Server::start(&["--redis-addr", &redis.address()]);
    assert_eq!(server.metric("godra_script_problems"), 0.0);
    let guest = server.guest();
    server.output().wait_for_line(&["the store is there"]);
    guest.create_lobby(4);
}
