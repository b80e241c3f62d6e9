//! What the stock scripts promise: every result, error and event, and what they do with hostile arguments.

mod arena;
mod channels;
mod chat;
mod documents;
mod embedded;
mod friends;
mod inventories;
mod lobbies;
mod mail;
mod matches;
mod places;
#[path = "../../src/engine/tests/differential/product.rs"]
mod product;
mod profiles;
mod random;
mod rankings;
mod redis;
mod seasons;
mod seats;
mod turns;

use std::path::Path;
use std::sync::Arc;

use godra::script::{Script, ScriptSet, catalog};
use product::Product;
use serde_json::{Value, json};

/// In front of a script's first line: what it tells goes into a list, from which [`mail::Mail`] takes it.
const TELL: &str = "local redis = redis local godra = setmetatable({ \
    tell = function(room, script, payload, options) options = options or {} redis.call('RPUSH', 'test:told', cjson.encode({ \
    room = room, script = script, payload = payload, after = options.after, name = options.name })) end, \
    load = load_document, save = save_document, delete = delete_document }, { __index = godra }) ";
/// The clock of a new store.
const START_MS: u64 = 1_700_000_000_000;

/// Where scripts run.
trait Store {
    /// Runs a script with the keys of a room.
    fn run(&mut self, script: &Arc<Script>, room: Option<&str>, caller: &Caller, args: &[String]) -> Outcome;
    /// Runs a command behind the scripts' back.
    fn command(&mut self, parts: &[&str]) -> Value;
    /// Runs a script's text behind the scripts' back.
    fn eval(&mut self, text: &str, keys: &[&str], args: &[&str]);
    /// Moves the scripts' clock.
    fn advance(&mut self, ms: u64);
}

struct Caller {
    id: String,
    name: String,
    role: &'static str,
}

#[derive(Debug)]
struct Outcome {
    result: Result<Value, Failure>,
    /// Without `seq`.
    events: Vec<Value>,
}

#[derive(Debug, PartialEq)]
struct Failure {
    code: String,
    message: String,
    details: Value,
}

fn stock_scripts() -> Arc<ScriptSet> {
    let report = catalog::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts"), None);
    assert!(report.problems.is_empty(), "{:?}", report.problems);
    report.set
}

/// A store and the stock scripts; rooms are named by their ids.
struct Game {
    store: Box<dyn Store>,
    scripts: Arc<ScriptSet>,
    mail: mail::Mail,
}

impl Game {
    /// Runs a test on every store there is, each empty.
    fn each(test: impl Fn(&mut Game)) {
        let scripts = stock_scripts();
        let run = |store: Box<dyn Store>| {
            test(&mut Game { store, scripts: scripts.clone(), mail: mail::Mail::default() })
        };
        run(Box::new(embedded::EmbeddedStore::new()));
        for product in [Product::Valkey9, Product::Redis8, Product::Redis7] {
            run(Box::new(redis::RedisStore::start(product)));
        }
    }

    /// Calls as the server does: keys from the room.
    fn call(&mut self, script: &str, room: &str, user: &str, args: &[&str]) -> Outcome {
        let script = self.scripts.get(script).expect(script).clone();
        let role = if user.starts_with("guest:") { "guest" } else { "player" };
        let caller = Caller { id: user.into(), name: format!("name of {user}"), role };
        let args: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
        self.run(&script, room, &caller, &args)
    }

    /// Calls and expects a result without events.
    fn ok(&mut self, script: &str, room: &str, user: &str, args: &[&str]) -> Value {
        let outcome = self.call(script, room, user, args);
        assert!(outcome.events.is_empty(), "{script} {args:?}: {outcome:?}");
        outcome.result.unwrap_or_else(|failure| panic!("{script} {args:?}: {failure:?}"))
    }

    /// Calls and expects exactly one event.
    fn event(&mut self, script: &str, room: &str, user: &str, args: &[&str]) -> Value {
        let mut outcome = self.call(script, room, user, args);
        assert!(outcome.result.is_ok() && outcome.events.len() == 1, "{script} {args:?}: {outcome:?}");
        outcome.events.remove(0)
    }

    /// Calls and expects an error with that code, and no event.
    fn fails(&mut self, script: &str, room: &str, user: &str, args: &[&str], code: &str) -> Failure {
        let outcome = self.call(script, room, user, args);
        assert!(outcome.events.is_empty(), "{script} {args:?}: {outcome:?}");
        let failure = outcome.result.expect_err(&format!("{script} {args:?}"));
        assert_eq!(failure.code, code, "{script} {args:?}: {failure:?}");
        failure
    }

    fn snapshot(&mut self, room: &str) -> Value {
        let text = self.ok("on_snapshot", room, "1", &[]);
        serde_json::from_str(text.as_str().expect("JSON text")).expect("valid JSON")
    }

    fn lobbies(&mut self, args: &[&str]) -> Value {
        let text = self.ok("list_lobbies", "any", "1", args);
        serde_json::from_str(text.as_str().expect("JSON text")).expect("valid JSON")
    }

    /// Seconds until each of a room's keys ends: -1 never, -2 there is no such key.
    fn ttls(&mut self, room: &str) -> Vec<i64> {
        let suffixes = ["", ":players", ":names", ":positions", ":online", ":state", ":reserved"];
        let keys = suffixes.map(|suffix| format!("game:{room}{suffix}"));
        keys.iter().map(|key| self.store.command(&["TTL", key]).as_i64().expect("integer")).collect()
    }
}

#[test]
fn create_lobby() {
    Game::each(|game| {
        assert_eq!(game.ok("create_lobby", "a", "1", &[]), "game:a");
        let failure = game.fails("create_lobby", "a", "2", &[], "conflict");
        assert_eq!(failure.message, "Lobby already exists");
        let snapshot = game.snapshot("a");
        assert_eq!(
            (&snapshot["owner"], &snapshot["capacity"], &snapshot["status"]),
            (&json!("1"), &json!(4), &json!("open"))
        );
        assert_eq!(snapshot["created_at"], START_MS);
        assert_eq!(snapshot["bounds"], json!({ "min_x": 0, "min_y": 0, "max_x": 1000, "max_y": 1000 }));
        assert_eq!(snapshot["max_speed"], 300);
        assert_eq!(snapshot["players"], json!({ "1": { "user_id": "1", "username": "name of 1" } }));
        assert_eq!(snapshot["state"], json!({}));

        game.ok("create_lobby", "b", "guest:x", &["1000", r#"{"width":50.5,"height":1,"max_speed":0}"#]);
        let snapshot = game.snapshot("b");
        assert_eq!((&snapshot["capacity"], &snapshot["max_speed"]), (&json!(1000), &json!(0)));
        assert_eq!(snapshot["bounds"], json!({ "min_x": 0, "min_y": 0, "max_x": 50.5, "max_y": 1 }));
    });
}

#[test]
fn create_lobby_refuses_wrong_arguments() {
    Game::each(|game| {
        for capacity in
            ["0", "-1", "5001", "1.5", "nan", "-nan", "inf", "1e400", "", "four", "null", "[]", "{}", "4 4"]
        {
            game.fails("create_lobby", "a", "1", &[capacity], "bad_request");
        }
        let settings = [
            "",
            "5",
            "null",
            "\"\"",
            "[1]",
            "{",
            "{\"depth\":1}",
            "{\"width\":\"1\"}",
            "{\"width\":0}",
            "{\"width\":NaN}",
            "{\"height\":-1}",
            "{\"height\":1e7}",
            "{\"max_speed\":-1}",
            "{\"max_speed\":Infinity}",
            "{\"width\":null}",
            "{\"width\":[]}",
            "{\"1\":1}",
        ];
        for settings in settings {
            game.fails("create_lobby", "a", "1", &["4", settings], "bad_request");
        }
        assert_eq!(game.ttls("a"), [-2; 7]);
    });
}

#[test]
fn join_and_leave_lobby() {
    Game::each(|game| {
        for script in ["join_lobby", "leave_lobby"] {
            assert_eq!(game.fails(script, "a", "1", &[], "not_found").message, "Lobby does not exist");
        }
        game.ok("create_lobby", "a", "1", &["2"]);
        for user in ["1", "2", "2", "1"] {
            assert_eq!(game.ok("join_lobby", "a", user, &[]), "OK");
        }
        assert_eq!(game.fails("join_lobby", "a", "3", &[], "conflict").message, "Lobby is full");
        let left = game.event("leave_lobby", "a", "2", &[]);
        assert_eq!(
            left,
            json!({ "type": "player_left", "payload": { "user_id": "2", "username": "name of 2" } })
        );
        assert_eq!(game.ok("leave_lobby", "a", "2", &[]), "OK");
        assert_eq!(game.ok("join_lobby", "a", "3", &[]), "OK");
        assert_eq!(game.snapshot("a")["players"].as_object().expect("object").len(), 2);

        game.event("leave_lobby", "a", "1", &[]);
        game.event("leave_lobby", "a", "3", &[]);
        assert_eq!(game.ok("join_lobby", "a", "4", &[]), "OK", "an empty lobby stays");
        game.store.command(&["HSET", "game:a", "status", "closed"]);
        assert_eq!(game.fails("join_lobby", "a", "5", &[], "conflict").message, "Lobby is closed");
        assert_eq!(game.ok("join_lobby", "a", "4", &[]), "OK", "members stay members");
    });
}

#[test]
fn the_owner_puts_a_member_out() {
    Game::each(|game| {
        assert_eq!(game.fails("kick_player", "a", "1", &["2"], "not_found").message, "Lobby does not exist");
        game.ok("create_lobby", "a", "1", &["2"]);
        game.event("on_connect", "a", "1", &["a"]);
        game.event("on_connect", "a", "2", &["a"]);
        for name in ["{}", "{", "{\"user_id\":{}}", "{\"user_id\":7}", "1"] {
            game.fails("kick_player", "a", "1", &[name], "bad_request");
        }
        game.fails("kick_player", "a", "2", &["1"], "forbidden");
        game.fails("kick_player", "a", "1", &["3"], "not_found");
        game.fails("kick_player", "a", "1", &[""], "not_found");
        let out = json!({ "user_id": "2", "username": "name of 2", "kicked": true });
        assert_eq!(
            game.event("kick_player", "a", "1", &["{\"user_id\":\"2\"}"]),
            json!({ "type": "player_left", "payload": out })
        );
        game.fails("kick_player", "a", "1", &["2"], "not_found");
        assert_eq!(game.ok("on_disconnect", "a", "2", &["a"]), Value::Null, "it has been told already");
        game.event("on_connect", "a", "3", &["a"]);
    });
}

#[test]
fn connecting_and_disconnecting() {
    Game::each(|game| {
        assert_eq!(game.fails("on_connect", "a", "1", &["a"], "not_found").message, "Lobby does not exist");
        assert_eq!(game.ok("on_disconnect", "a", "1", &["a"]), Value::Null);
        assert_eq!(game.ttls("a"), [-2; 7]);

        game.ok("create_lobby", "a", "1", &["2"]);
        let event = |kind: &str, user: &str| json!({ "type": kind, "payload": { "user_id": user, "username": format!("name of {user}") } });
        assert_eq!(game.event("on_connect", "a", "1", &["a"]), event("player_joined", "1"));
        assert_eq!(game.event("on_connect", "a", "2", &["a"]), event("player_joined", "2"));
        assert_eq!(game.fails("on_connect", "a", "3", &["a"], "conflict").message, "Lobby is full");
        assert_eq!(game.event("on_disconnect", "a", "2", &["a"]), event("player_left", "2"));
        assert_eq!(game.ok("on_disconnect", "a", "2", &["a"]), Value::Null);
        assert_eq!(game.event("on_connect", "a", "3", &["a"]), event("player_joined", "3"));

        game.event("leave_lobby", "a", "3", &[]);
        assert_eq!(game.ok("on_disconnect", "a", "3", &["a"]), Value::Null, "it has left already");
        game.store.command(&["HSET", "game:a", "status", "closed"]);
        assert_eq!(game.fails("on_connect", "a", "3", &["a"], "conflict").message, "Lobby is closed");
        game.event("on_connect", "a", "1", &["a"]);
    });
}

#[test]
fn members_are_away_and_come_back() {
    Game::each(|game| {
        let event = |kind: &str, user: &str| json!({ "type": kind, "payload": { "user_id": user, "username": format!("name of {user}") } });
        let is_away = |game: &mut Game, user: &str| game.snapshot("a")["players"][user]["away"] == true;
        game.ok("create_lobby", "a", "1", &["2"]);
        game.event("on_connect", "a", "1", &["a"]);
        game.event("on_connect", "a", "2", &["a"]);
        assert_eq!(game.event("on_drop", "a", "2", &["a"]), event("player_away", "2"));
        assert!(is_away(game, "2") && !is_away(game, "1"));
        assert_eq!(game.ok("on_drop", "a", "2", &["a"]), Value::Null, "once is enough");
        assert_eq!(game.fails("on_connect", "a", "3", &["a"], "conflict").message, "Lobby is full");
        assert_eq!(game.event("on_resume", "a", "2", &["a"]), event("player_back", "2"));
        assert_eq!(game.ok("on_resume", "a", "2", &["a"]), Value::Null, "nobody has missed it");
        assert!(!is_away(game, "2"));

        // However it ends, nobody is away who is not in the room.
        let ends: [(&str, &str, &[&str]); 4] = [
            ("on_disconnect", "2", &["a"]),
            ("leave_lobby", "2", &[]),
            ("kick_player", "1", &["2"]),
            ("on_connect", "2", &["a"]),
        ];
        for (script, user, args) in ends {
            game.event("on_drop", "a", "2", &["a"]);
            game.event(script, "a", user, args);
            assert_eq!(game.store.command(&["EXISTS", "game:a:away"]), 0, "{script}");
            game.event("on_connect", "a", "2", &["a"]);
        }
        game.event("leave_lobby", "a", "2", &[]);
        assert_eq!(game.ok("on_drop", "a", "2", &["a"]), Value::Null, "it has left already");
        game.fails("on_resume", "a", "2", &["a"], "conflict");
        assert_eq!(game.ok("on_drop", "none", "2", &["none"]), Value::Null);
    });
}

#[test]
fn a_room_lasts_while_somebody_is_connected_and_an_hour_longer() {
    Game::each(|game| {
        let ends = |ttls: Vec<i64>| ttls.iter().all(|ttl| *ttl == -2 || (3500..=3600).contains(ttl));
        let lasts = |ttls: Vec<i64>| ttls.iter().all(|ttl| *ttl < 0);
        game.ok("create_lobby", "a", "1", &[]);
        assert!(ends(game.ttls("a")));
        game.ok("join_lobby", "a", "2", &[]);
        game.event("update_state", "a", "1", &[r#"{"action":"set","payload":{"k":1}}"#]);
        game.event("move_player", "a", "1", &[r#"{"x":1,"y":1}"#]);
        assert!(ends(game.ttls("a")), "{:?}", game.ttls("a"));

        game.event("on_connect", "a", "1", &["a"]);
        game.event("on_connect", "a", "2", &["a"]);
        game.ok("join_lobby", "a", "3", &[]);
        game.event("update_state", "a", "1", &[r#"{"action":"set","payload":{"l":1}}"#]);
        assert!(lasts(game.ttls("a")), "{:?}", game.ttls("a"));
        game.event("on_disconnect", "a", "1", &["a"]);
        assert!(lasts(game.ttls("a")), "{:?}", game.ttls("a"));
        game.event("on_disconnect", "a", "2", &["a"]);
        assert!(ends(game.ttls("a")), "a member who never came does not keep it: {:?}", game.ttls("a"));
        game.event("on_connect", "a", "3", &["a"]);
        assert!(lasts(game.ttls("a")));
        game.event("leave_lobby", "a", "3", &[]);
        let ends_soon = |ttls: Vec<i64>| ttls.iter().all(|ttl| *ttl == -2 || (50..=60).contains(ttl));
        assert!(ends_soon(game.ttls("a")), "all have left it: {:?}", game.ttls("a"));
        game.ok("join_lobby", "a", "4", &[]);
        assert!(ends(game.ttls("a")), "{:?}", game.ttls("a"));
    });
}

#[test]
fn listing_lobbies() {
    Game::each(|game| {
        assert_eq!(game.lobbies(&[]), json!({ "lobbies": [], "cursor": null }));
        for n in 0..5 {
            game.ok("create_lobby", &format!("r{n}"), "1", &["8"]);
            game.store.advance(1);
        }
        game.ok("join_lobby", "r1", "2", &[]);
        game.event("on_connect", "r2", "2", &["r2"]);
        game.event("on_connect", "r2", "3", &["r2"]);
        game.event("on_disconnect", "r2", "3", &["r2"]);
        game.event("leave_lobby", "r3", "1", &[]);
        let all = game.lobbies(&[]);
        let rows: Vec<(&str, i64, i64)> = (all["lobbies"].as_array().expect("array").iter())
            .map(|row| {
                (
                    row["id"].as_str().unwrap(),
                    row["members"].as_i64().unwrap(),
                    row["capacity"].as_i64().unwrap(),
                )
            })
            .collect();
        assert_eq!(
            rows,
            [("game:r4", 1, 8), ("game:r3", 0, 8), ("game:r2", 2, 8), ("game:r1", 2, 8), ("game:r0", 1, 8)]
        );
        assert_eq!(all["lobbies"][4]["created_at"], START_MS);
        assert_eq!(all["cursor"], Value::Null);

        let first = game.lobbies(&["2"]);
        let cursor = first["cursor"].as_str().expect("cursor").to_owned();
        let second = game.lobbies(&["2", &cursor]);
        assert_eq!(second["lobbies"][0]["id"], "game:r2");
        game.store.command(&["ZREM", "lobbies", "r3"]);
        assert_eq!(game.lobbies(&["2", &cursor])["lobbies"], second["lobbies"], "the cursor's lobby is gone");
        game.store.command(&["ZADD", "lobbies", "1700000000003", "r3"]);

        // Only r2 has somebody connected.
        game.store.advance(3_600_000);
        assert_eq!(game.lobbies(&["1"])["lobbies"][0]["id"], "game:r2", "what is gone takes no place");
        let left = game.lobbies(&[]);
        assert_eq!(
            (left["lobbies"].as_array().map(Vec::len), &left["lobbies"][0]["id"]),
            (Some(1), &json!("game:r2"))
        );
        assert_eq!(game.store.command(&["ZCARD", "lobbies"]), 1);
        assert_eq!(game.store.command(&["HLEN", "lobbies:info"]), 1);
        assert_eq!(game.store.command(&["ZCARD", "lobbies:ends"]), 0);
    });
}

#[test]
fn lobbies_that_are_gone_leave_the_index() {
    Game::each(|game| {
        for round in 0..4 {
            for n in 0..20 {
                game.ok("create_lobby", &format!("r{round}-{n}"), ["1", "2"][n % 2], &[]);
            }
            game.store.advance(3_600_000);
        }
        // Each that is made takes up to 16 with it.
        game.ok("create_lobby", "a", "1", &[]);
        assert_eq!(game.store.command(&["ZCARD", "lobbies"]), 5);
        game.ok("create_lobby", "b", "1", &[]);
        for index in [["ZCARD", "lobbies"], ["HLEN", "lobbies:info"], ["ZCARD", "lobbies:ends"]] {
            assert_eq!(game.store.command(&index), 2, "{index:?}");
        }
        // One that somebody has come back to has no end.
        game.store.advance(3_599_999);
        game.event("on_connect", "a", "1", &["a"]);
        game.store.advance(1);
        assert_eq!(game.lobbies(&[])["lobbies"].as_array().map(Vec::len), Some(1));
    });
}

#[test]
fn a_user_owns_so_many_lobbies_at_a_time() {
    Game::each(|game| {
        let room = |n: usize| format!("r{n}");
        for n in 0..16 {
            game.ok("create_lobby", &room(n), "1", &[]);
            game.event("on_connect", &room(n), "1", &[&room(n)]);
        }
        let refused = game.fails("create_lobby", "more", "1", &[], "conflict");
        assert!(refused.message.starts_with("you own 16 lobbies already"), "{}", refused.message);
        assert_eq!(refused.details, json!({ "limit": "lobbies_per_owner" }));
        game.ok("create_lobby", "of-another", "2", &[]);
        // One that all have left ends when its place is needed.
        game.event("leave_lobby", "r3", "1", &[]);
        game.ok("create_lobby", "more", "1", &[]);
        game.event("on_connect", "more", "1", &["more"]);
        game.fails("create_lobby", "again", "1", &[], "conflict");
        game.pass(0);
        game.fails("join_lobby", "r3", "2", &[], "not_found");
        // One with others in it is still its owner's, and lasts.
        game.event("on_connect", "r4", "2", &["r4"]);
        game.event("leave_lobby", "r4", "1", &[]);
        game.store.advance(60_000);
        game.fails("create_lobby", "again", "1", &[], "conflict");
        // When all have ended, nothing is kept of their owners.
        for n in (0..16).filter(|n| ![3, 4].contains(n)) {
            game.event("on_disconnect", &room(n), "1", &[&room(n)]);
        }
        game.event("on_disconnect", "r4", "2", &["r4"]);
        game.event("on_disconnect", "more", "1", &["more"]);
        game.store.advance(3_600_000);
        game.ok("create_lobby", "last", "1", &[]);
        game.lobbies(&[]);
        for index in ["lobbies:owners", "lobbies:owned"] {
            assert_eq!(game.store.command(&["HLEN", index]), 1, "{index}");
        }
        assert_eq!(game.store.command(&["HGET", "lobbies:owned", "1"]), "1");
        assert_eq!(game.store.command(&["ZRANGE", "lobbies:by_owner", "0", "-1"]), json!(["1\nlast"]));
    });
}

#[test]
fn a_seat_that_nobody_comes_for_is_free_again() {
    Game::each(|game| {
        game.ok("create_lobby", "a", "1", &["2"]);
        game.event("on_connect", "a", "1", &["a"]);
        let full = |game: &mut Game, user: &str| {
            assert_eq!(game.fails("join_lobby", "a", user, &[], "conflict").message, "Lobby is full");
            assert_eq!(game.fails("on_connect", "a", user, &["a"], "conflict").message, "Lobby is full");
        };
        game.ok("join_lobby", "a", "2", &[]);
        game.store.advance(20_000);
        game.ok("join_lobby", "a", "2", &[]); // asks again: its time begins anew
        game.store.advance(29_999);
        full(game, "3");
        game.store.advance(1);
        let left = json!({ "type": "player_left", "payload": { "user_id": "2", "username": "name of 2" } });
        assert_eq!(game.event("join_lobby", "a", "3", &[]), left);
        full(game, "2");
        game.store.advance(30_000);
        let outcome = game.call("on_connect", "a", "4", &["a"]);
        assert_eq!(outcome.events.len(), 2, "{outcome:?}");
        assert_eq!(outcome.events[0]["payload"]["user_id"], "3");
        // Who has come once keeps the seat, and lists tell of two.
        game.store.advance(3_600_000);
        full(game, "5");
        assert_eq!(game.lobbies(&[])["lobbies"][0]["members"], 2);
        assert_eq!(game.store.command(&["HLEN", "game:a:reserved"]), 0);
    });
}

#[test]
fn listing_lobbies_refuses_wrong_arguments() {
    Game::each(|game| {
        for limit in ["0", "101", "-1", "1.5", "nan", "inf", "", "x", "[]"] {
            game.fails("list_lobbies", "any", "1", &[limit], "bad_request");
        }
        for cursor in ["", "x", "1", "1:", ":a", "1:a b", "1:a:b", "-inf:a", "1:a\n"] {
            game.fails("list_lobbies", "any", "1", &["1", cursor], "bad_request");
        }
    });
}

#[test]
fn moving() {
    Game::each(|game| {
        assert_eq!(
            game.fails("move_player", "a", "1", &[r#"{"x":1,"y":2}"#], "forbidden").details,
            Value::Null
        );
        game.ok("create_lobby", "a", "1", &["4", r#"{"width":500,"height":100,"max_speed":200}"#]);
        game.fails("move_player", "a", "2", &[r#"{"x":1,"y":2}"#], "forbidden");
        assert_eq!(
            game.fails("move_player", "a", "1", &[r#"{"x":1,"y":101}"#], "out_of_bounds").details,
            Value::Null
        );

        let moved =
            |x: f64, y: f64| json!({ "type": "player_moved", "payload": { "user_id": "1", "x": x, "y": y } });
        let check = |game: &mut Game, payload: &str, x: f64, y: f64| {
            let event = game.event("move_player", "a", "1", &[payload]);
            let (found, expected) = (&event["payload"], moved(x, y)["payload"].clone());
            assert_eq!(
                (found["x"].as_f64(), found["y"].as_f64()),
                (expected["x"].as_f64(), expected["y"].as_f64())
            );
            assert_eq!((&event["type"], &found["user_id"]), (&json!("player_moved"), &json!("1")));
        };
        check(game, r#"{"x":500,"y":0}"#, 500.0, 0.0);
        // One second's way at once, and not a bit more.
        check(game, r#"{"x":400,"y":0}"#, 400.0, 0.0);
        check(game, r#"{"x":400,"y":99.5}"#, 400.0, 99.5);
        let too_fast = game.fails("move_player", "a", "1", &[r#"{"x":399,"y":99.5}"#], "too_fast");
        assert_eq!(too_fast.details, json!({ "x": 400, "y": 99.5 }));
        let outside = game.fails("move_player", "a", "1", &[r#"{"x":-0.1,"y":0}"#], "out_of_bounds");
        assert_eq!(outside.details, json!({ "x": 400, "y": 99.5 }));
        game.store.advance(100);
        check(game, r#"{"x":380,"y":99.5}"#, 380.0, 99.5);
        game.fails("move_player", "a", "1", &[r#"{"x":379,"y":99.5}"#], "too_fast");
        game.store.advance(3_000_000);
        game.fails("move_player", "a", "1", &[r#"{"x":179,"y":99.5}"#], "too_fast");
        check(game, r#"{"x":181,"y":99.5}"#, 181.0, 99.5);

        let players = game.snapshot("a")["players"].clone();
        assert_eq!(players, json!({ "1": { "user_id": "1", "username": "name of 1", "x": 181, "y": 99.5 } }));
    });
}

#[test]
fn moving_by_rpc() {
    Game::each(|game| {
        game.ok("create_lobby", "a", "1", &["4", r#"{"max_speed":0}"#]);
        assert_eq!(game.event("move_player", "a", "1", &["10", "20.25"])["payload"]["y"], 20.25);
        assert_eq!(game.event("move_player", "a", "1", &["1000", "1e3", "a"])["payload"]["x"], 1000);
        game.fails("move_player", "a", "1", &["1000.5", "0", "a"], "out_of_bounds");
        for (x, y) in
            [("nan", "1"), ("1", "inf"), ("-inf", "1"), ("", "1"), ("1", "x"), ("1e999", "1"), ("null", "1")]
        {
            game.fails("move_player", "a", "1", &[x, y], "bad_request");
        }
        game.fails("move_player", "a", "1", &[], "bad_request");
        game.fails("move_player", "a", "1", &["1"], "bad_request");
    });
}

#[test]
fn moving_refuses_hostile_payloads() {
    let deep = format!("{}{}", "[".repeat(20_000), "]".repeat(20_000));
    Game::each(|game| {
        game.ok("create_lobby", "a", "1", &[]);
        let payloads = [
            "",
            "null",
            "1",
            "\"x\"",
            "[]",
            "[1,2]",
            "{}",
            "{",
            r#"{"x":1}"#,
            r#"{"y":1}"#,
            r#"{"x":"1","y":"2"}"#,
            r#"{"x":null,"y":1}"#,
            r#"{"x":true,"y":1}"#,
            r#"{"x":[1],"y":1}"#,
            r#"{"x":NaN,"y":1}"#,
            r#"{"x":-NaN,"y":1}"#,
            r#"{"x":1,"y":Infinity}"#,
            r#"{"x":1e999,"y":1}"#,
            r#"{"X":1,"Y":1}"#,
            &deep,
        ];
        for payload in payloads {
            game.fails("move_player", "a", "1", &[payload], "bad_request");
        }
        game.fails("move_player", "a", "1", &[r#"{"x":1e308,"y":1}"#], "out_of_bounds");
        assert_eq!(game.snapshot("a")["players"]["1"]["x"], Value::Null);
    });
}

#[test]
fn chatting() {
    Game::each(|game| {
        game.ok("create_lobby", "a", "1", &[]);
        let check = |game: &mut Game, args: &[&str], message: &str| {
            let payload =
                json!({ "user_id": "1", "username": "name of 1", "message": message, "timestamp": START_MS });
            assert_eq!(
                game.event("send_chat", "a", "1", args),
                json!({ "type": "chat", "payload": payload })
            );
        };
        check(game, &[r#"{"message":"hi"}"#], "hi");
        check(game, &["hi", "a"], "hi");
        check(game, &[r#"{"message":"no"}"#, "a"], r#"{"message":"no"}"#);
        check(game, &[r#"{"message":"\u00fc \"x\" \\ \n </script>"}"#], "ü \"x\" \\ \n </script>");
        let longest = "ü😀".repeat(250);
        check(game, &[&longest, "a"], &longest);
        check(game, &[&json!({ "message": longest }).to_string()], &longest);

        let too_long = "😀".repeat(501);
        game.fails("send_chat", "a", "1", &[&too_long, "a"], "bad_request");
        game.fails("send_chat", "a", "1", &["", "a"], "bad_request");
        for payload in [
            "",
            "null",
            "hi",
            "\"hi\"",
            "{}",
            "[\"hi\"]",
            r#"{"message":""}"#,
            r#"{"message":1}"#,
            r#"{"message":null}"#,
            r#"{"message":["x"]}"#,
        ] {
            game.fails("send_chat", "a", "1", &[payload], "bad_request");
        }
        game.fails("send_chat", "a", "1", &[], "bad_request");
        game.fails("send_chat", "a", "2", &["hi", "a"], "forbidden");
        game.fails("send_chat", "missing", "1", &["hi", "missing"], "forbidden");
    });
}

#[test]
fn heartbeats() {
    Game::each(|game| {
        assert_eq!(game.ok("heartbeat", "any", "guest:a", &[]), "OK");
        assert_eq!(game.ok("heartbeat", "any", "1", &[]), "OK");
        game.store.advance(24 * 3_600_000);
        game.ok("heartbeat", "any", "guest:b", &[]);
        let guests = json!(["guest:a", "guest:b"]);
        assert_eq!(game.store.command(&["ZRANGE", "active_sessions:guests", "0", "-1"]), guests);
        assert_eq!(game.store.command(&["ZSCORE", "active_sessions:guests", "guest:b"]), "1700086400000");
    });
}

#[test]
fn setting_state() {
    Game::each(|game| {
        game.ok("create_lobby", "a", "1", &[]);
        let payload = r#"{"list":[],"empty":{},"long":12345678901234567890,"deep":{"a":[{"b":"}]\"\\"},[]]},"text":"a,\"b\":{","t":true,"n":-1.5e-07}"#;
        let message = format!(r#"{{"id": 7, "payload" : {payload} , "action":"set"}}"#);
        let expected: Value = serde_json::from_str(payload).expect("valid");
        let event = game.event("update_state", "a", "1", &[&message]);
        assert_eq!(
            event,
            json!({ "type": "state", "payload": { "user_id": "1", "action": "set", "payload": expected } })
        );
        assert_eq!(game.snapshot("a")["state"], expected);

        game.event("update_state", "a", "1", &["\n{\"action\":\"set\",\n\"payload\":{ \"list\" : [ 1 ,\t2 ] , \"long\":null , \"none\" : null}\n}\n"]);
        let mut expected = expected;
        expected["list"] = json!([1, 2]);
        expected.as_object_mut().expect("object").remove("long");
        assert_eq!(game.snapshot("a")["state"], expected);

        game.event("update_state", "a", "1", &[r#"{"action":"set","payload":{"k":1,"k":2,"\u006b":3}}"#]);
        assert_eq!(game.snapshot("a")["state"]["k"], 3, "the last one counts");
        game.store.command(&["HSET", "game:a:state", "phase", "night"]);
        assert_eq!(game.snapshot("a")["state"]["phase"], "night", "a script's own text is taken for a text");
    });
}

#[test]
fn other_actions_are_passed_on() {
    Game::each(|game| {
        game.ok("create_lobby", "a", "1", &[]);
        let check = |game: &mut Game, message: &str, action: &str, payload: Value| {
            let payload = json!({ "user_id": "1", "action": action, "payload": payload });
            assert_eq!(
                game.event("update_state", "a", "1", &[message]),
                json!({ "type": "state", "payload": payload })
            );
        };
        check(game, r#"{"action":"jump"}"#, "jump", Value::Null);
        check(game, r#"{"action":"jump","payload":[]}"#, "jump", json!([]));
        check(game, r#"{"action":"jump","payload":"%s %d \\"}"#, "jump", json!("%s %d \\"));
        check(game, r#"{"action":"\"ü\n","payload":0}"#, "\"ü\n", json!(0));
        check(game, r#"{"payload":{"action":"set"},"action":"x"}"#, "x", json!({ "action": "set" }));
        check(game, r#"{"payload":1,"action":"x","payload":2}"#, "x", json!(2));
        assert_eq!(game.snapshot("a")["state"], json!({}));
    });
}

#[test]
fn what_cannot_be_read_is_not_said_to_have_the_wrong_shape() {
    const HALF: &str = "cannot be read: Expected value but found invalid unicode escape code at character";
    Game::each(|game| {
        game.ok("create_lobby", "a", "1", &[]);
        for (script, text, expected) in [
            (
                "update_state",
                r#"{"action":"set","payload":{"a":1e999}}"#,
                "a number in the message is not finite",
            ),
            ("update_state", r#"{"action":"set","payload":{"a":"\ud800"}}"#, HALF),
            ("send_chat", r#"{"message":"\ud800"}"#, HALF),
            ("broadcast", r#"{"message":"\udc00 "}"#, HALF),
            ("move_player", r#"{"x":"\ud800","y":1}"#, HALF),
            ("move_player", r#"{"x":1e400,"y":1}"#, "x and y must be finite numbers"),
            ("kick_player", r#"{"user_id":"\ud800"}"#, HALF),
        ] {
            let failure = game.fails(script, "a", "1", &[text], "bad_request");
            assert!(failure.message.contains(expected), "{script}: {failure:?}");
        }
    });
}

#[test]
fn update_state_refuses_what_is_not_json_or_not_its_shape() {
    let deep = format!(r#"{{"action":"x","payload":{}{}}}"#, "[".repeat(20_000), "]".repeat(20_000));
    Game::each(|game| {
        game.ok("create_lobby", "a", "1", &[]);
        let messages = [
            "",
            "null",
            "1",
            "[]",
            "\"x\"",
            "{}",
            "{",
            r#"{"payload":{}}"#,
            r#"{"action":1}"#,
            r#"{"action":""}"#,
            r#"{"action":null}"#,
            r#"["action"]"#,
            r#"{"action":"set"}"#,
            r#"{"action":"set","payload":null}"#,
            r#"{"action":"set","payload":[]}"#,
            r#"{"action":"set","payload":[1]}"#,
            r#"{"action":"set","payload":{}}"#,
            r#"{"action":"set","payload":"{}"}"#,
            r#"{"action":"set","payload":{"a":NaN}}"#,
            r#"{"action":"x","payload":NaN}"#,
            r#"{"action":"x","payload":nan}"#,
            r#"{"action":"x","payload":Infinity}"#,
            r#"{"action":"x","payload":-inf}"#,
            r#"{"action":"x","payload":1e999}"#,
            r#"{"action":"x","payload":[[-1E400]]}"#,
            r#"{"action":"x","payload":0x10}"#,
            r#"{"action":"x","payload":010}"#,
            r#"{"action":"x","payload":-01}"#,
            r#"{"action":"x","payload":+1}"#,
            r#"{"action":"x","payload":.5}"#,
            r#"{"action":"x","payload":1.}"#,
            r#"{"action":"x","payload":[1.e5]}"#,
            r#"{"action":"x","payload":[1,]}"#,
            "{\"action\":\"x\",\"payload\":\"a\nb\"}",
            "{\"action\":\"x\",\"payload\":[\"1\n2\",\"3\"]}",
            "{\"action\":\"x\",\"payload\":\"a\0b\"}",
            r#"{"action":"x"} {}"#,
            r#"{"action":"x",}"#,
            r#"{'action':'x'}"#,
            r#"{"action":"x","payload":"\x"}"#,
            &deep,
        ];
        for message in messages {
            game.fails("update_state", "a", "1", &[message], "bad_request");
        }
        game.fails("update_state", "a", "1", &[], "bad_request");
        let long_action = format!(r#"{{"action":"{}"}}"#, "x".repeat(65));
        game.fails("update_state", "a", "1", &[&long_action], "bad_request");
        game.fails("update_state", "a", "2", &[r#"{"action":"x"}"#], "forbidden");
        game.fails("update_state", "missing", "1", &[r#"{"action":"x"}"#], "forbidden");
        assert_eq!(game.snapshot("a")["state"], json!({}));
    });
}

#[test]
fn numbers_by_the_book_pass() {
    Game::each(|game| {
        game.ok("create_lobby", "a", "1", &[]);
        for number in [
            "0",
            "-0",
            "10",
            "100",
            "0.5",
            "-0.05",
            "1e5",
            "1E+05",
            "1e-05",
            "1.25e10",
            "105",
            "-10.01",
            "[0,0]",
            "[10,-0.0]",
        ] {
            let message = format!(r#"{{"action":"x","payload":{number}}}"#);
            game.event("update_state", "a", "1", &[&message]);
        }
    });
}

#[test]
fn the_first_script_of_the_readme() {
    let readme = include_str!("../../scripts/README.md");
    let text = readme.split("```lua\n").nth(1).and_then(|rest| rest.split("```").next()).expect("an example");
    let dir = tempfile::tempdir().expect("temp folder");
    std::fs::write(dir.path().join("take_item.lua"), text).expect("write");
    let report = catalog::load(dir.path(), None);
    assert!(report.problems.is_empty(), "{:?}", report.problems);
    Game::each(|game| {
        game.ok("create_lobby", "a", "1", &[]);
        game.ok("join_lobby", "a", "2", &[]);
        game.scripts = report.set.clone();
        for payload in ["", "{}", "null", r#"{"item":1}"#] {
            game.fails("take_item", "a", "1", &[payload], "bad_request");
        }
        let taken = json!({ "type": "item_taken", "payload": { "item": "sword", "user_id": "1" } });
        assert_eq!(game.event("take_item", "a", "1", &[r#"{"item":"sword"}"#]), taken);
        game.fails("take_item", "a", "2", &[r#"{"item":"sword"}"#], "conflict");
        game.scripts = stock_scripts();
        assert_eq!(game.snapshot("a")["state"], json!({ "item:sword": "1" }));
    });
}

#[test]
fn state_has_limits() {
    let set = |fields: Vec<String>| format!(r#"{{"action":"set","payload":{{{}}}}}"#, fields.join(","));
    Game::each(|game| {
        game.ok("create_lobby", "a", "1", &[]);
        let fields =
            |range: std::ops::Range<usize>| range.map(|n| format!("\"f{n}\":{n}")).collect::<Vec<_>>();
        game.fails("update_state", "a", "1", &[&set(fields(0..10_000))], "bad_request");
        game.fails("update_state", "a", "1", &[&set(fields(0..129))], "bad_request");
        game.event("update_state", "a", "1", &[&set(fields(0..128))]);
        game.event("update_state", "a", "1", &[&set(fields(0..128))]);
        game.fails("update_state", "a", "1", &[&set(fields(128..129))], "too_large");
        game.event("update_state", "a", "1", &[r#"{"action":"set","payload":{"f0":null,"new":1}}"#]);
        game.fails(
            "update_state",
            "a",
            "1",
            &[r#"{"action":"set","payload":{"new":null,"x":1,"y":2}}"#],
            "too_large",
        );
        game.event(
            "update_state",
            "a",
            "1",
            &[r#"{"action":"set","payload":{"new":null,"x":1,"absent":null}}"#],
        );
        assert_eq!(game.snapshot("a")["state"].as_object().map(|state| state.len()), Some(128));

        let value = |len: usize| set(vec![format!("\"x\":\"{}\"", "v".repeat(len - 2))]);
        game.event("update_state", "a", "1", &[&value(4096)]);
        game.fails("update_state", "a", "1", &[&value(4097)], "too_large");
        game.fails("update_state", "a", "1", &[&set(vec![format!("\"{}\":1", "n".repeat(65))])], "too_large");
        game.fails("update_state", "a", "1", &[&set(vec!["\"\":1".into()])], "too_large");
    });
}

#[test]
fn what_a_guest_has_goes_over_to_its_account() {
    Game::each(|game| {
        game.ok("create_lobby", "a", "guest:x", &["2"]);
        game.event("move_player", "a", "guest:x", &["10", "20"]);
        let outcome = game.call("on_upgrade", "a", "guest:x", &["7", "ann"]);
        let events: Vec<_> = outcome.events.iter().map(|event| (&event["type"], &event["payload"])).collect();
        assert_eq!(
            events,
            [
                (&json!("player_left"), &json!({ "user_id": "guest:x", "username": "name of guest:x" })),
                (
                    &json!("player_upgraded"),
                    &json!({ "old_id": "guest:x", "user_id": "7", "username": "ann" })
                ),
            ]
        );
        let check = |game: &mut Game| {
            let snapshot = game.snapshot("a");
            assert_eq!(snapshot["owner"], "7");
            let ann = json!({ "7": { "user_id": "7", "username": "ann", "x": 10, "y": 20 } });
            assert_eq!(snapshot["players"], ann);
        };
        check(game);
        game.ok("on_disconnect", "a", "guest:x", &["a"]);
        game.ok("on_upgrade", "a", "guest:x", &["8", "ben"]);
        game.ok("on_upgrade", "a", "guest:y", &["8", "ben"]);
        check(game);
        game.ok("on_upgrade", "missing", "guest:x", &["8", "ben"]);
        assert_eq!(game.ttls("missing"), [-2; 7]);
    });
}

#[test]
fn list_players() {
    Game::each(|game| {
        game.fails("list_players", "a", "9", &[], "not_found");
        game.ok("create_lobby", "a", "2", &[]);
        game.event("on_connect", "a", "1", &["a"]);
        let text = game.ok("list_players", "a", "9", &[]);
        let list: Value = serde_json::from_str(text.as_str().unwrap()).unwrap();
        let expected = json!({ "players": [
            { "user_id": "1", "username": "name of 1", "online": true, "away": false },
            { "user_id": "2", "username": "name of 2", "online": false, "away": false },
        ] });
        assert_eq!(list, expected);
        game.event("on_drop", "a", "1", &["a"]);
        let text = game.ok("list_players", "a", "9", &[]);
        let list: Value = serde_json::from_str(text.as_str().unwrap()).unwrap();
        let expected = json!({ "user_id": "1", "username": "name of 1", "online": false, "away": true });
        assert_eq!(list["players"][0], expected);
    });
}

#[test]
fn broadcast() {
    Game::each(|game| {
        game.fails("broadcast", "a", "9", &["hi", "a"], "not_found");
        game.ok("create_lobby", "a", "1", &[]);
        for args in [&["hi", "a"] as &[&str], &[r#"{"message":"hi"}"#]] {
            let event = game.event("broadcast", "a", "9", args);
            assert_eq!((&event["type"], &event["payload"]["message"]), (&json!("broadcast"), &json!("hi")));
        }
        game.fails("broadcast", "a", "9", &["", "a"], "bad_request");
        game.fails("broadcast", "a", "9", &[&"x".repeat(1001), "a"], "bad_request");
        for payload in ["null", "{}", r#"{"message":1}"#, "{"] {
            game.fails("broadcast", "a", "9", &[payload], "bad_request");
        }
    });
}
