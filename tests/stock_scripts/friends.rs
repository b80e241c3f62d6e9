//! Friends: both sides agree, whoever does what.

use serde_json::{Value, json};

use super::Game;

const DAY_MS: u64 = 86_400_000;

impl Game {
    fn friend(&mut self, user: &str, verb: &str, other: &str) -> Value {
        self.ok("change_friends", "any", user, &[&json!({ "verb": verb, "user_id": other }).to_string()])
    }

    fn no_friend(&mut self, user: &str, verb: &str, other: &str, code: &str) -> Value {
        self.refuses("change_friends", user, &json!({ "verb": verb, "user_id": other }), code).details
    }

    fn friends(&mut self, user: &str) -> Value {
        self.json("list_friends", user, &json!(null))
    }

    /// With profiles, as all have who play.
    fn players(&mut self, users: &[&str]) {
        for user in users {
            self.json("get_profile", user, &json!(null));
        }
    }
}

/// The user ids in one of the lists.
fn ids(listed: &Value, list: &str) -> Vec<String> {
    let entries = listed[list].as_array().expect("array").iter();
    let id = |entry: &Value| entry["user_id"].as_str().or(entry.as_str()).expect("an id").to_owned();
    entries.map(id).collect()
}

#[test]
fn friends_ask_accept_and_part() {
    Game::each(|game| {
        game.players(&["a", "b", "c"]);
        assert_eq!(game.friend("a", "ask", "b"), "asked");
        assert_eq!(game.friend("a", "ask", "b"), "asked", "once is enough");
        let (a, b) = (game.friends("a"), game.friends("b"));
        assert_eq!((ids(&a, "asked"), ids(&b, "asks")), (vec!["b".to_owned()], vec!["a".to_owned()]));
        assert_eq!(b["asks"][0]["name"], "name of a");
        assert_eq!((&a["friends"], &a["blocked"]), (&json!([]), &json!([])));
        assert_eq!(game.friend("b", "accept", "a"), "friends");
        for (user, other) in [("a", "b"), ("b", "a")] {
            let listed = game.friends(user);
            assert_eq!(ids(&listed, "friends"), [other]);
            assert_eq!((&listed["asks"], &listed["asked"]), (&json!([]), &json!([])));
            let owner = game.document(&format!("friends/{user}")).expect("kept").1;
            assert_eq!(owner.as_deref(), Some(user));
        }
        // Two who ask each other are friends.
        game.friend("a", "ask", "c");
        assert_eq!(game.friend("c", "ask", "a"), "friends");
        assert_eq!(ids(&game.friends("a"), "friends"), ["b", "c"]);
        assert_eq!(game.friend("a", "remove", "c"), "none");
        assert_eq!(ids(&game.friends("c"), "friends"), [""; 0]);
        // An own ask is taken back, another's is not.
        game.friend("a", "ask", "c");
        assert_eq!(game.friend("c", "remove", "a"), "none");
        assert_eq!(ids(&game.friends("c"), "asks"), ["a"]);
        game.friend("a", "remove", "c");
        assert_eq!(ids(&game.friends("c"), "asks"), [""; 0]);
        game.no_friend("c", "accept", "a", "not_found");
    });
}

#[test]
fn who_is_blocked_finds_nobody() {
    Game::each(|game| {
        game.players(&["a", "b"]);
        game.friend("a", "ask", "b");
        game.friend("b", "accept", "a");
        assert_eq!(game.friend("b", "block", "a"), "blocked");
        assert_eq!(
            (ids(&game.friends("a"), "friends"), ids(&game.friends("b"), "blocked")),
            (vec![], vec!["a".to_owned()])
        );
        game.no_friend("a", "ask", "b", "not_found");
        let hidden = game.refuses("view_profile", "a", &json!({ "user_id": "b" }), "not_found");
        let missing = game.refuses("view_profile", "a", &json!({ "user_id": "nobody" }), "not_found");
        assert_eq!(hidden, missing, "a blocked player cannot tell");
        game.json("view_profile", "b", &json!({ "user_id": "a" }));
        game.no_friend("b", "ask", "a", "conflict");
        assert_eq!(game.friend("b", "unblock", "a"), "none");
        assert_eq!(game.friend("a", "ask", "b"), "asked");
        // An open ask ends with it, too.
        game.friend("b", "block", "a");
        assert_eq!(
            (game.friends("a")["asked"].clone(), game.friends("b")["asks"].clone()),
            (json!([]), json!([]))
        );
    });
}

#[test]
fn asks_are_bounded() {
    Game::each(|game| {
        for other in ["a", "ghost", "guest:x", &"x".repeat(64)] {
            let code = if other == "a" { "bad_request" } else { "not_found" };
            game.no_friend("a", "ask", other, code);
        }
        assert!(game.document("friends/ghost").is_none(), "who does not exist has no document");
        let hostile = [
            json!({ "verb": "ask" }),
            json!({ "verb": "ask", "user_id": "" }),
            json!({ "verb": "ask", "user_id": "a/b" }),
            json!({ "verb": "ask", "user_id": 5 }),
            json!({ "verb": "ask", "user_id": "x".repeat(65) }),
            json!({ "verb": "own", "user_id": "b" }),
            json!({ "verb": {}, "user_id": "b" }),
            json!({ "user_id": "b" }),
            json!(["ask", "b"]),
            json!(null),
        ];
        for argument in hostile {
            game.refuses("change_friends", "a", &argument, "bad_request");
        }
        // Who has declined is not asked again for a week.
        game.players(&["a", "b"]);
        game.friend("a", "ask", "b");
        assert_eq!(game.friend("b", "decline", "a"), "none");
        let details = game.no_friend("a", "ask", "b", "conflict");
        game.store.advance(7 * DAY_MS - 1);
        game.no_friend("a", "ask", "b", "conflict");
        game.store.advance(1);
        assert_eq!(details["again_at"], super::START_MS + 7 * DAY_MS);
        assert_eq!(game.friend("a", "ask", "b"), "asked");
        // The other one may ask at any time.
        game.friend("b", "decline", "a");
        assert_eq!(game.friend("b", "ask", "a"), "asked");

        let many: Vec<String> = (0..51).map(|n| format!("m{n}")).collect();
        for other in &many {
            game.players(&[other]);
        }
        for other in &many[..50] {
            assert_eq!(game.friend("c", "ask", other), "asked");
            assert_eq!(game.friend(other, "ask", "b"), "asked");
        }
        game.no_friend("c", "ask", &many[50], "conflict");
        game.no_friend(&many[50], "ask", "b", "conflict");
    });
}

#[test]
fn friends_are_seen_where_they_are_and_hear_of_each_other() {
    Game::each(|game| {
        game.players(&["a", "b"]);
        game.ok("create_lobby", "hall", "b", &[]);
        game.event("on_connect", "hall", "b", &["hall"]);
        game.pass(0);
        game.friend("a", "ask", "b");
        let told = |kind: &str, user: &str| {
            vec![json!({ "type": kind, "payload": { "user_id": user, "name": format!("name of {user}") } })]
        };
        assert_eq!(game.pass(0), told("friend_asked", "a"));
        game.friend("b", "accept", "a");
        assert_eq!(game.pass(0), Vec::<Value>::new(), "a is nowhere");
        let listed = game.friends("a");
        assert_eq!(
            (&listed["friends"][0]["online"], &listed["friends"][0]["rooms"]),
            (&json!(true), &json!(["game:hall"]))
        );
        assert_eq!(game.friends("b")["friends"][0]["online"], false);
    });
}
