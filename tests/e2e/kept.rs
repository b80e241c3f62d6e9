//! The stock scripts for what players keep, on the real documents.

use serde_json::{Value, json};

use crate::common::accounts::{User, account};
use crate::common::http::Response;
use crate::common::redis::Redis;
use crate::common::server::{Folder, Server};

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

#[test]
fn the_stock_scripts_serve_on_redis() {
    let redis = Redis::start();
    let server = Server::start(&["--redis-addr", &redis.address()]);
    assert_eq!(server.metric("godra_script_problems"), 0.0);
    let guest = server.guest();
    server.output().wait_for_line(&["the store is there"]);
    guest.create_lobby(4);
}
