//! What a client says when it joins, and what it is told when the room's script does not want it.

use serde_json::{Value, json};

use crate::common::player::Player;
use crate::common::server::{Folder, Server};
use crate::common::wait_until;

/// Lets in who knows the word, and keeps what it was given.
const ON_CONNECT: &str = r#"-- KEYS: game:{room}, game:{room}:players, game:{room}:told
local options = ARGV[3] and cjson.decode(ARGV[3])
if not options then godra.error("no_word", "Say the word", { tries = 3 }) end
if options.word ~= "friend" then godra.error("wrong_word", "That is not the word") end
redis.call("SET", KEYS[3], cjson.encode({ count = #ARGV, options = options }))
"#;
const ON_SNAPSHOT: &str = r#"-- KEYS: game:{room}, game:{room}:told
return redis.call("GET", KEYS[2])
"#;
const ON_DROP: &str = "-- KEYS: game:{room}, game:{room}:players\nprint('away')";
/// It gets the options, too.
const ON_RESUME: &str = r#"-- KEYS: game:{room}, game:{room}:players
godra.publish("back", { options = ARGV[3] })
"#;

#[test]
fn a_joins_options_reach_the_hook_and_its_refusal_the_client() {
    let folder = Folder::new();
    folder.write_script("on_connect", ON_CONNECT);
    folder.write_script("on_snapshot", ON_SNAPSHOT);
    folder.write_script("on_drop", ON_DROP);
    folder.write_script("on_resume", ON_RESUME);
    let server = Server::start_in(folder, &["--rejoin-grace", "1m"]);
    let guest = server.guest();
    let path = |more: &str| format!("/ws?token={}&game_id=vault{more}", guest.token);
    let join = |more: &str| Player::connect(server.address(), &path(more));

    let refused = join("").err().expect("it says nothing");
    let error = json!({"code": "no_word", "message": "Say the word", "details": {"tries": 3}});
    assert_eq!((refused.status, &refused.json()["error"]), (403, &error));
    let refused = join("&options={%22word%22:%22foe%22}").err().expect("it says another word");
    assert_eq!(refused.json()["error"]["code"], "wrong_word");
    let refused = join("&options=[]").err().expect("that is no object");
    assert_eq!((refused.status, &refused.json()["error"]["code"]), (400, &json!("bad_request")));

    // As clients ask for it that cannot read an answer to an upgrade.
    let mut told = Player::connect_without_welcome(server.address(), &path("&refuse=close"), &[]).unwrap();
    let said = told.receive();
    let expected =
        json!({"code": "no_word", "message": "Say the word", "details": {"tries": 3}, "status": 403});
    assert_eq!((&said["type"], &said["payload"]), (&json!("error"), &expected));
    let (code, reason) = told.expect_close();
    assert_eq!((code, reason.as_str()), (4505, "no_word"));

    let options = "&options=%7B%22word%22%3A%22friend%22%2C%22skin%22%3A%5B1%5D%7D";
    let player = join(options).unwrap();
    let welcome = player.welcome["payload"].clone();
    assert_eq!(welcome["state"], json!({"count": 3, "options": {"word": "friend", "skin": [1]}}));
    drop(player);
    // Who takes the place of its own socket has not been away.
    wait_until("the loss to be noticed", || server.output().text().contains("text=\"away\""));
    let place = format!("&epoch={}&since={}", welcome["epoch"].as_str().unwrap(), welcome["seq"]);
    let mut player = join(&format!("{options}{place}")).unwrap();
    let back = player.receive_type("back");
    let given: Value = serde_json::from_str(back["payload"]["options"].as_str().unwrap()).unwrap();
    assert_eq!(given, json!({"word": "friend", "skin": [1]}));
}
