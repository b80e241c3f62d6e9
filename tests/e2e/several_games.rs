//! Several games on one server: each has scripts, hooks, rooms and keys of its own, and nothing of another's. The same on either store.

use std::fs;
use std::os::unix::fs::symlink;

use serde_json::{Value, json};

use crate::common::http::Response;
use crate::common::player::Player;
use crate::common::server::{Folder, Guest, Server};
use crate::common::wait_until;

/// What every game of the tests has: it tells whose script has run, with its keys and its room.
const WHO: &str = "-- ROLE: guest\n-- KEYS: game:{room}, counts, user:{user}:count\n\
    redis.call('INCR', KEYS[2])\n\
    return cjson.encode({ game = godra.game or 'default', room = godra.room, keys = KEYS, \
    count = redis.call('GET', KEYS[2]), mine = redis.call('INCR', KEYS[3]) })\n";
/// Tells a room, or calls without one, something; what is told comes as an event, or is counted.
const TELL: &str = "-- ROLE: guest\n-- KEYS: game:{room}\n\
    local to = ARGV[2]\n\
    godra.tell(to, 'told', { from = godra.room })\nreturn 'told'\n";
const TOLD: &str = "-- ROLE: server\n-- KEYS: game:{room}\n\
    godra.publish('told', { game = godra.game or 'default', from = cjson.decode(ARGV[2]).from })\n";
/// Timers of calls that have no room are told apart by their game.
const PLAN: &str = "-- ROLE: guest\n-- KEYS: plans\n\
    if ARGV[2] == 'cancel' then return tostring(godra.cancel('round')) end\n\
    godra.tell(nil, 'planned', {}, { after = 600000, name = 'round' })\nreturn 'planned'\n";
const PLANNED: &str = "-- ROLE: server\n-- KEYS: plans\nredis.call('INCR', KEYS[1])\n";

/// Scripts that a game takes from the default one's folder as they are.
const STOCK: [&str; 13] = [
    "create_lobby",
    "join_lobby",
    "leave_lobby",
    "list_lobbies",
    "note_lobby",
    "presence",
    "note_presence",
    "on_connect",
    "on_disconnect",
    "on_snapshot",
    "add_score",
    "ranking",
    "reset_rankings",
];

fn write_game(folder: &Folder, game: &str, files: &[(&str, &str)]) {
    let dir = folder.scripts().join("games").join(game);
    for (name, text) in files {
        let file = dir.join(format!("{name}.lua"));
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }
}

/// The default game with its stock scripts, `chess` with some of these, and `go` with few of its own.
fn folder() -> Folder {
    let folder = Folder::new();
    let own = [("who", WHO), ("tell", TELL), ("told", TOLD), ("plan", PLAN), ("planned", PLANNED)];
    for (name, text) in own {
        folder.write_script(name, text);
    }
    write_game(&folder, "chess", &own);
    let score = "-- ROLE: guest\ngodra.tell(nil, 'add_score', { board = 'wins', user_id = ARGV[1], username = 'ann', score = 5 })\nreturn 'OK'\n";
    write_game(&folder, "chess", &[("score", score)]);
    let hello = "godra.send(ARGV[1], 'hello', { game = godra.game, room = ARGV[2] })\n";
    let greet = format!("-- KEYS: game:{{room}}, game:{{room}}:players\n{hello}");
    let on_disconnect = "-- KEYS: game:{room}, game:{room}:players\ngodra.publish('bye', {})\n";
    write_game(&folder, "go", &[("on_connect", &greet), ("on_disconnect", on_disconnect)]);
    write_game(&folder, "go", &own);
    for name in STOCK {
        symlink(folder.script(name), folder.scripts().join(format!("games/chess/{name}.lua"))).unwrap();
    }
    folder
}

fn call(guest: &Guest<'_>, game: &str, script: &str, args: Value, keys: &[&str]) -> Response {
    let mut body = json!({"script": script, "game": game, "args": args});
    if !keys.is_empty() {
        body["keys"] = json!(keys);
    }
    guest.rpc_body(body.to_string().as_bytes())
}

#[track_caller]
fn result(response: &Response) -> Value {
    assert_eq!(response.status, 200, "{response:?}");
    match &response.json()["result"] {
        Value::String(text) => serde_json::from_str(text).unwrap_or_else(|_| json!(text)),
        result => result.clone(),
    }
}

#[track_caller]
fn check_refused(response: &Response, status: u16, part: &str) {
    assert_eq!(response.status, status, "{response:?}");
    let message = response.json()["error"]["message"].as_str().unwrap().to_owned();
    assert!(message.contains(part), "{message}");
}

fn lobby(guest: &Guest<'_>, game: &str) -> String {
    let id = result(&call(guest, game, "create_lobby", json!([]), &[]));
    id.as_str().unwrap().strip_prefix("game:").unwrap().to_owned()
}

fn listed(guest: &Guest<'_>, game: &str) -> Vec<String> {
    let list = result(&call(guest, game, "list_lobbies", json!([]), &[]));
    list["lobbies"].as_array().unwrap().iter().map(|lobby| lobby["id"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn every_game_runs_its_own_scripts_on_its_own_keys() {
    let server = Server::start_in(folder(), &["--threads", "2"]);
    let guest = server.guest();
    let id = &guest.user_id;
    let who = |game: &str, key: &str| result(&call(&guest, game, "who", json!([]), &[key]));
    let expected = |game: &str, room: &str, keys: [String; 3], count: u32| {
        json!({"game": game, "room": room,
        "keys": keys, "count": count.to_string(), "mine": count})
    };
    let of_chess =
        ["game:chess~hall".to_owned(), "chess~counts".to_owned(), format!("chess~user:{id}:count")];
    let of_default = ["game:hall".to_owned(), "counts".to_owned(), format!("user:{id}:count")];
    assert_eq!(who("", "game:hall"), expected("default", "hall", of_default.clone(), 1));
    assert_eq!(who("chess", "game:hall"), expected("chess", "chess~hall", of_chess.clone(), 1));
    assert_eq!(who("chess", "game:chess~hall"), expected("chess", "chess~hall", of_chess, 2));
    assert_eq!(
        guest.rpc("who", json!([]), &["game:hall"]).json()["result"]
            .as_str()
            .map(|text| serde_json::from_str::<Value>(text).unwrap()),
        Some(expected("default", "hall", of_default, 2))
    );

    // From sockets, whether the id names the game or the query does.
    let mut by_id = guest.try_join("go~hall").unwrap();
    assert_eq!(by_id.receive_type("hello")["payload"], json!({"game": "go", "room": "go~hall"}));
    let answer: Value =
        serde_json::from_str(by_id.call("who", Value::Null, 1)["result"].as_str().unwrap()).unwrap();
    assert_eq!(
        (&answer["game"], &answer["room"], &answer["count"]),
        (&json!("go"), &json!("go~hall"), &json!("1"))
    );
    let other = server.guest();
    let mut by_query = other.join_with("hall", "&game=go");
    assert_eq!(by_query.receive_type("hello")["payload"]["room"], "go~hall");
    by_query.close();
    by_id.receive_type("bye");
    // What its folder lacks, it does not have.
    let missing = by_id.call("move_player", json!({"x": 1, "y": 1}), 2);
    assert_eq!(missing["payload"]["code"], "not_found", "{missing}");
    check_refused(
        &call(&guest, "go", "create_lobby", json!([]), &[]),
        404,
        "there is no script \"create_lobby\"",
    );
}

#[test]
fn a_player_of_one_game_reaches_nothing_of_another() {
    let server = Server::start_in(folder(), &["--threads", "2"]);
    let (ann, ben) = (server.guest(), server.guest());
    let [own, of_chess] = ["", "chess"].map(|game| lobby(&ann, game));
    assert!(of_chess.starts_with("chess~") && !own.contains('~'), "{own} {of_chess}");
    assert_eq!(
        [listed(&ben, ""), listed(&ben, "chess")],
        [[format!("game:{own}")], [format!("game:{of_chess}")]]
    );

    // Whichever way a room is named, it is none of another game's scripts.
    for (game, room) in
        [("", &*of_chess), ("go", &of_chess), ("chess", "go~hall"), ("go", "~hall"), ("go", "go~go~x")]
    {
        let key = format!("game:{room}");
        check_refused(
            &call(&ben, game, "who", json!([]), &[&key]),
            403,
            "keys[1] of who must be game:{room}",
        );
        check_refused(
            &call(&ben, game, "tell", json!([room]), &["game:hall"]),
            500,
            "bad argument #1 to 'tell'",
        );
    }
    check_refused(&call(&ben, "go", "who", json!([]), &["game:hall", "chess~counts"]), 403, "keys[2] of who");
    check_refused(&call(&ben, "", "who", json!([]), &["game:hall", "chess~counts"]), 403, "keys[2] of who");
    check_refused(&ben.rpc("join_lobby", json!([]), &[&format!("game:{of_chess}")]), 403, "keys[1]");
    check_refused(
        &call(&ben, "chess", "join_lobby", json!([]), &[&format!("game:{own}")]),
        404,
        "Lobby does not exist",
    );
    let refused = ben.try_join_with(&of_chess, "&game=go").err().expect("a refusal");
    check_refused(&refused, 400, "game_id is of another game than \"go\"");
    let refused = ben.try_join_with("hall", "&game=chess").err().expect("a refusal");
    check_refused(&refused, 403, "Lobby does not exist");

    // Scores, and who is online.
    result(&call(&ann, "chess", "score", json!([]), &[]));
    let players = |game: &str| result(&call(&ben, game, "ranking", json!(["wins"]), &[]))["players"].clone();
    wait_until("the score to be noted", || players("chess") == 1);
    assert_eq!(players(""), 0);
    let member = ben.join_with(&of_chess, "");
    let online = |game: &str| result(&call(&ann, game, "presence", json!([]), &[]))["online"].clone();
    wait_until("presence to be noted", || online("chess") == 1);
    assert_eq!(online(""), 0);
    drop(member);
}

#[test]
fn what_a_game_tells_stays_in_it() {
    let server = Server::start_in(folder(), &["--threads", "2"]);
    let guests = [server.guest(), server.guest()];
    let mut of_go = guests[0].join_with("hall", "&game=go");
    let own = lobby(&guests[1], "");
    let mut of_default = guests[1].join(&own);
    let told = |response: &Response| assert_eq!(result(response), "told");
    told(&call(&guests[0], "go", "tell", json!(["hall"]), &["game:attic"]));
    assert_eq!(of_go.receive_type("told")["payload"], json!({"game": "go", "from": "go~attic"}));
    told(&call(&guests[0], "", "tell", json!([own]), &["game:attic"]));
    assert_eq!(of_default.receive_type("told")["payload"], json!({"game": "default", "from": "attic"}));
    let plan = |game: &str, what: &str| result(&call(&guests[0], game, "plan", json!([what]), &[]));
    assert_eq!(plan("chess", ""), "planned");
    assert_eq!(plan("go", ""), "planned");
    assert_eq!(plan("", "cancel"), json!(false), "nothing of the default game is pending");
    assert_eq!(plan("go", "cancel"), json!(true));
    assert_eq!(plan("go", "cancel"), json!(false));
    assert_eq!(plan("chess", "cancel"), json!(true));
}

#[test]
fn every_game_ticks_by_itself() {
    let folder = folder();
    let beat = "-- TICK: 50\n-- KEYS: game:{room}\ngodra.publish('beat', { game = godra.game })\n";
    write_game(&folder, "go", &[("beat", beat)]);
    let server = Server::start_in(folder, &["--threads", "2"]);
    let (ann, ben) = (server.guest(), server.guest());
    let mut of_go = ann.join("go~hall");
    let own = lobby(&ben, "");
    let mut of_default = ben.join(&own);
    for _ in 0..3 {
        assert_eq!(of_go.receive_type("beat")["payload"], json!({"game": "go"}));
    }
    of_default.call("who", Value::Null, 1);
    let beats = |player: &Player| player.seen().iter().filter(|event| event["type"] == "beat").count();
    assert_eq!(beats(&of_default), 0, "{:?}", of_default.seen());
}

#[test]
fn what_is_broken_in_one_game_leaves_the_others_alone() {
    let server = Server::start_in(folder(), &[]);
    let guest = server.guest();
    let version = |game: &str| {
        let response = call(&guest, game, "version", json!([]), &[]);
        (response.status, response.json()["result"].clone())
    };
    let write = |game: &str, text: &str| write_game(server.folder(), game, &[("version", text)]);
    for game in ["chess", "go"] {
        write(game, "-- ROLE: guest\nreturn 1\n");
        wait_until("the script to serve", || version(game) == (200, json!(1)));
    }
    write("chess", "-- ROLE: guest\nreturn 2 +\n");
    server.output().wait_for_line(&["WARN", "games/chess/version.lua", "reason="]);
    write("go", "-- ROLE: guest\nreturn 2\n");
    wait_until("the other game's script to serve", || version("go") == (200, json!(2)));
    assert_eq!(version("chess"), (200, json!(1)));
    assert_eq!(version("").0, 404);

    // A library is the game's own, or else the shared one.
    fs::write(server.folder().scripts().join("lib/shared.lua"), "return 'shared'\n").unwrap();
    for game in ["chess", "go"] {
        write(game, "-- ROLE: guest\nreturn require('shared')\n");
        wait_until("the shared library", || version(game) == (200, json!("shared")));
    }
    write_game(server.folder(), "go", &[("lib/shared", "return 'own'\n")]);
    wait_until("the game's own library", || version("go") == (200, json!("own")));
    assert_eq!(version("chess"), (200, json!("shared")));
    write("go", "-- ROLE: guest\n\nerror('it broke')\n");
    wait_until("an error that names the file", || {
        let response = call(&guest, "go", "version", json!([]), &[]);
        response.status == 500 && response.text().contains("games/go/version.lua:3: it broke")
    });
    server.output().wait_for_line(&["script failed script=go~version "]);
    let metrics = server.get("/metrics").text();
    assert!(
        metrics.contains("script=\"go~version\"") && metrics.contains("script=\"chess~version\""),
        "{metrics}"
    );
}

#[test]
fn games_come_and_go_while_the_server_runs() {
    let server = Server::start_in(folder(), &[]);
    let guest = server.guest();
    let absent =
        |response: &Response| check_refused(response, 404, "there is no game \"ludo\" on this server");
    absent(&call(&guest, "ludo", "who", json!([]), &["game:hall"]));
    absent(&guest.try_join("ludo~hall").err().expect("a refusal"));
    write_game(server.folder(), "ludo", &[("who", WHO)]);
    wait_until("the game to be there", || {
        call(&guest, "ludo", "who", json!([]), &["game:hall"]).status == 200
    });
    let mut member = guest.join("ludo~hall");
    fs::remove_dir_all(server.folder().scripts().join("games/ludo")).unwrap();
    server.output().wait_for_line(&[
        "WARN",
        "games/ludo",
        "is gone: this game's rooms go on by its last version",
    ]);
    assert_eq!(member.call("who", Value::Null, 1)["type"], "reply");
    assert_eq!(call(&guest, "ludo", "who", json!([]), &["game:hall"]).status, 200);
    write_game(server.folder(), "ludo", &[("who", "-- ROLE: guest\nreturn 'back'\n")]);
    wait_until("the folder to count again", || member.call("who", Value::Null, 2)["result"] == "back");
}

#[test]
fn games_that_cannot_be_are_told_of() {
    let folder = folder();
    let games = folder.scripts().join("games");
    fs::write(games.join("lost.lua"), "return 1\n").unwrap();
    fs::write(games.join("README.md"), "what these are\n").unwrap();
    for name in ["Ludo", "a b", "9lives"] {
        fs::create_dir(games.join(name)).unwrap();
    }
    for number in 0..80 {
        fs::create_dir(games.join(format!("x{number}"))).unwrap();
    }
    let server = Server::start_in(folder, &[]);
    for (file, part) in [
        ("games/lost.lua", "is of no game: a game's scripts are in a folder, games/NAME/lost.lua"),
        ("games/Ludo", "a game's name is 1 to 32 of a-z, 0-9, _ and -, a letter first"),
        ("games/a b", "a game's name is"),
        ("games/9lives", "a game's name is"),
        ("scripts/games\"", "82 games are too many: at most 64 are served"),
    ] {
        server.output().wait_for_line(&[file, part]);
    }
    let guest = server.guest();
    let bad = |game: &str, part: &str| {
        check_refused(&call(&guest, game, "who", json!([]), &["game:hall"]), 400, part)
    };
    for name in ["Ludo", "a b", "../go", "chess~", "9lives", &"g".repeat(33)] {
        bad(name, "game must be 1 to 32 of a-z 0-9 _ -");
    }
    for (room, query, part) in [
        ("hall", "&game=Chess", "game must be"),
        ("Chess~hall", "", "game_id must be"),
        ("~hall", "", "game_id must be"),
        ("chess~", "", "game_id must be"),
        ("chess~a~b", "", "game_id must be"),
        ("a%20b", "&game=chess", "game_id must be"),
    ] {
        check_refused(&guest.try_join_with(room, query).err().expect("a refusal"), 400, part);
    }
    assert_eq!(call(&guest, "chess", "who", json!([]), &["game:hall"]).status, 200);
}

/// Runs the command that its arguments are.
const PEEK: &str = "-- ROLE: guest\n\
    local reply = redis.pcall(unpack(ARGV, 2))\n\
    return type(reply) == 'table' and reply.err or 'fine'\n";

/// A script that puts keys together out of what players say reaches its own game's all the same.
#[test]
fn no_script_names_a_key_of_another_game() {
    let folder = folder();
    let plain = format!("-- ATOMIC: off\n{PEEK}");
    for (name, text) in [("peek", PEEK), ("peek_plain", &plain)] {
        folder.write_script(name, text);
        write_game(&folder, "chess", &[(name, text)]);
    }
    let server = Server::start_in(folder, &[]);
    let guest = server.guest();
    let check = |game: &str, command: &str, expected: &str| {
        for script in ["peek", "peek_plain"] {
            let words: Vec<&str> = command.split(' ').collect();
            let said = result(&call(&guest, game, script, json!(words), &[]));
            let said = said.as_str().unwrap();
            let is_expected = if expected.is_empty() { said == "fine" } else { said.contains(expected) };
            assert!(is_expected, "{game:?} {command}: {said}");
        }
    };
    let none = "is none of the game \"chess\": work on KEYS";
    for allowed in [
        "GET chess~counts",
        "hgetall game:chess~hall",
        "MSET chess~a game:go~b chess~b 2",
        "DEL chess~a chess~b",
        "ZUNIONSTORE chess~d 1 chess~a",
        "SORT chess~list BY chess~w_* GET # STORE chess~sorted",
        "ZCARD active_sessions:guests",
    ] {
        check("chess", allowed, "");
    }
    for refused in [
        "GET counts",
        "hgetall game:hall",
        "HGETALL game:go~hall",
        "SET go~counts chess~1",
        "MGET chess~a go~b",
        "MSET chess~a 1 b 2",
        "DEL chess~a lobbies",
        "RENAME chess~a lobbies",
        "ZUNIONSTORE lobbies 1 chess~a",
        "ZUNIONSTORE chess~d 2 chess~a lobbies",
        "ZUNION 2 chess~a lobbies",
        "SORT chess~list BY w_*",
        "SORT chess~list GET game:*->owner",
        "SORT chess~list STORE lobbies",
        "BITOP AND chess~d chess~a lobbies",
    ] {
        check("chess", refused, none);
    }
    for whole in ["KEYS *", "SCAN 0", "RANDOMKEY", "DBSIZE", "FLUSHALL", "flushdb"] {
        for game in ["chess", ""] {
            check(game, whole, "works on the keys of all games");
        }
    }
    for key in ["chess~counts", "game:go~hall"] {
        check("", &format!("GET {key}"), "is none of the default game: work on KEYS");
    }
    for key in ["best~of~three", "counts", "ludo~counts"] {
        check("", &format!("GET {key}"), "");
    }
}

/// Counts the caller's runs in a document of the caller's.
const REMEMBER: &str = "-- ROLE: guest\n-- DATA: profile/{user}\n\
    local name = 'profile/' .. godra.user.id\n\
    local profile = godra.load(name) or { runs = 0 }\n\
    profile.runs = profile.runs + 1\n\
    godra.save(name, profile)\nreturn profile.runs\n";

#[test]
fn documents_of_one_game_are_none_of_another() {
    let folder = folder();
    folder.write_script("remember", REMEMBER);
    for game in ["chess", "go"] {
        write_game(&folder, game, &[("remember", REMEMBER)]);
    }
    let thief =
        "-- ROLE: guest\n-- DATA: profile/{user}\nreturn godra.load('chess~profile/' .. godra.user.id)\n";
    write_game(&folder, "go", &[("steal", thief), ("declare", "-- DATA: chess~profile/{user}\nreturn 1\n")]);
    let server = Server::start_in(folder, &[]);
    server.output().wait_for_line(&["games/go/declare.lua", "line=1", "a collection is 1 to 64 of a-z"]);
    let guest = server.guest();
    for (game, runs) in [("chess", 1), ("chess", 2), ("go", 1), ("", 1), ("chess", 3), ("", 2)] {
        assert_eq!(result(&call(&guest, game, "remember", json!([]), &[])), json!(runs), "{game:?}");
    }
    check_refused(
        &call(&guest, "go", "steal", json!([]), &[]),
        500,
        "this call has no document chess~profile/",
    );
}
