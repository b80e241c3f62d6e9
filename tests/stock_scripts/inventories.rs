//! Items, trades and the daily reward.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Game, START_MS};

const DAY_MS: u64 = 86_400_000;

impl Game {
    fn give(&mut self, user: &str, items: &Value) {
        self.tell(None, "give_items", &json!({ "user_id": user, "items": items }));
    }

    fn items(&mut self, user: &str) -> Value {
        self.json("get_inventory", user, &json!(null))["items"].take()
    }

    fn offer(&mut self, user: &str, other: &str, gives: &Value, takes: &Value) -> Value {
        let offer = json!({ "verb": "offer", "user_id": other, "gives": gives, "takes": takes });
        self.json("trade", user, &offer)["version"].take()
    }

    fn accept(&mut self, user: &str, other: &str, version: &Value) -> Value {
        self.json("trade", user, &json!({ "verb": "accept", "user_id": other, "version": version }))
    }

    fn make_friends(&mut self, users: &[&str]) {
        for user in users {
            self.json("get_profile", user, &json!(null));
            for other in users.iter().filter(|other| *other < user) {
                for (user, other) in [(user, other), (other, user)] {
                    let ask = json!({ "verb": "ask", "user_id": other }).to_string();
                    self.ok("change_friends", "any", user, &[&ask]);
                }
            }
        }
    }
}

#[test]
fn items_come_and_go() {
    Game::each(|game| {
        assert_eq!(game.items("a"), json!({}));
        game.give("a", &json!({ "coin": 5, "key": 1 }));
        game.give("a", &json!({ "coin": -2, "key": -1 }));
        assert_eq!(game.items("a"), json!({ "coin": 3 }));
        assert_eq!(game.document("inventory/a").expect("kept").1.as_deref(), Some("a"));
        let failed =
            game.message(None, "give_items", &json!({ "user_id": "a", "items": { "gem": 1, "coin": -4 } }));
        assert_eq!(failed.result.expect_err("too few").code, "conflict");
        assert_eq!(game.items("a"), json!({ "coin": 3 }), "all or nothing");
        let granted = game.json("grant_items", "boss", &json!({ "user_id": "a", "items": { "coin": 7 } }));
        assert_eq!(granted, json!({ "coin": 10 }));

        let many: BTreeMap<String, u32> = (0..257).map(|n| (format!("i{n}"), 1)).collect();
        for items in [
            json!(null),
            json!(5),
            json!([1]),
            json!({ "A": 1 }),
            json!({ "": 1 }),
            json!({ "a": 0.5 }),
            json!({ "a": "1" }),
            json!({ "a": 1e10 }),
            json!({ "x".repeat(65): 1 }),
            json!(many),
        ] {
            game.refuses("grant_items", "boss", &json!({ "user_id": "a", "items": items }), "bad_request");
        }
        game.refuses("grant_items", "boss", &json!({ "user_id": 5, "items": {} }), "bad_request");
        game.give("b", &json!({ "coin": 1_000_000_000 }));
        game.refuses("grant_items", "boss", &json!({ "user_id": "b", "items": { "coin": 1 } }), "conflict");
    });
}

#[test]
fn two_trade_all_or_nothing() {
    Game::each(|game| {
        game.make_friends(&["a", "b", "c"]);
        game.give("a", &json!({ "sword": 1, "coin": 10 }));
        game.give("b", &json!({ "shield": 1 }));
        let version = game.offer("a", "b", &json!({ "sword": 1 }), &json!({ "shield": 1 }));
        let offers = game.json("get_inventory", "b", &json!(null))["offers"].take();
        let seen = json!([{ "user_id": "a", "version": version, "by": "a", "gives": { "shield": 1 }, "takes": { "sword": 1 }, "ends_at": START_MS + 600_000 }]);
        assert_eq!(offers, seen, "from the other side");
        game.refuses(
            "trade",
            "a",
            &json!({ "verb": "accept", "user_id": "b", "version": version }),
            "not_found",
        );
        game.refuses(
            "trade",
            "c",
            &json!({ "verb": "accept", "user_id": "a", "version": version }),
            "not_found",
        );

        // What is accepted is what was seen.
        let worse = game.offer("a", "b", &json!({ "coin": 1 }), &json!({ "shield": 1 }));
        let accept = json!({ "verb": "accept", "user_id": "a", "version": version });
        let changed = game.refuses("trade", "b", &accept, "conflict");
        assert_eq!(changed.details["takes"], json!({ "coin": 1 }));
        assert_eq!(game.json("trade", "b", &json!({ "verb": "cancel", "user_id": "a" }))["status"], "none");
        game.refuses(
            "trade",
            "b",
            &json!({ "verb": "accept", "user_id": "a", "version": worse }),
            "not_found",
        );

        // After all that, no version comes again.
        let again = game.offer("a", "b", &json!({ "sword": 1 }), &json!({ "shield": 1 }));
        assert!(again.as_u64() > worse.as_u64());
        game.refuses("trade", "b", &accept, "conflict");
        let traded = game.accept("b", "a", &again);
        assert_eq!(traded, json!({ "status": "traded", "items": { "sword": 1 } }));
        assert_eq!(game.items("a"), json!({ "shield": 1, "coin": 10 }));
        game.refuses(
            "trade",
            "b",
            &json!({ "verb": "accept", "user_id": "a", "version": again }),
            "not_found",
        );
    });
}

/// However offers cross each other, there are as many items as before.
#[test]
fn no_item_is_doubled() {
    Game::each(|game| {
        game.make_friends(&["a", "b", "c"]);
        game.give("a", &json!({ "sword": 1 }));
        let to_b = game.offer("a", "b", &json!({ "sword": 1 }), &json!({}));
        let to_c = game.offer("a", "c", &json!({ "sword": 1 }), &json!({}));
        game.accept("b", "a", &to_b);
        let accept = json!({ "verb": "accept", "user_id": "a", "version": to_c });
        let failure = game.refuses("trade", "c", &accept, "conflict");
        assert_eq!(failure.details, json!({ "item": "sword", "has": 0 }));
        assert_eq!((game.items("a"), game.items("c")), (json!({}), json!({})));
        assert_eq!(game.items("b"), json!({ "sword": 1 }));
        // The same kind both ways changes nothing, and is no way to get what nobody has.
        let both = game.offer("b", "c", &json!({ "sword": 1 }), &json!({ "sword": 1 }));
        game.refuses("trade", "c", &json!({ "verb": "accept", "user_id": "b", "version": both }), "conflict");
        // An offer that has waited too long is none.
        let late = game.offer("b", "a", &json!({ "sword": 1 }), &json!({}));
        game.store.advance(600_000);
        assert_eq!(game.json("get_inventory", "a", &json!(null))["offers"], json!([]));
        game.refuses(
            "trade",
            "a",
            &json!({ "verb": "accept", "user_id": "b", "version": late }),
            "not_found",
        );
    });
}

#[test]
fn hostile_offers_are_refused() {
    Game::each(|game| {
        game.make_friends(&["a", "b"]);
        game.give("a", &json!({ "coin": 5 }));
        let offer = |gives: Value, takes: Value| json!({ "verb": "offer", "user_id": "b", "gives": gives, "takes": takes });
        let many: BTreeMap<String, u32> = (0..17).map(|n| (format!("i{n}"), 1)).collect();
        let wrong = [
            offer(json!({}), json!({})),
            offer(json!({ "coin": -1 }), json!({})),
            offer(json!({ "coin": 0 }), json!({})),
            offer(json!({ "coin": 0.5 }), json!({})),
            offer(json!({ "coin": "1" }), json!({})),
            offer(json!({}), json!({ "coin": -5 })),
            offer(json!(null), json!({ "coin": 1 })),
            offer(json!([1]), json!({})),
            offer(json!({}), json!(many)),
            json!({ "verb": "offer", "user_id": "a", "gives": { "coin": 1 } }),
            json!({ "verb": "offer", "user_id": 5, "gives": { "coin": 1 } }),
            json!({ "verb": "steal", "user_id": "b" }),
            json!({ "user_id": "b" }),
            json!({ "verb": "offer" }),
        ];
        for request in wrong {
            game.refuses("trade", "a", &request, "bad_request");
        }
        game.refuses("trade", "a", &offer(json!({ "coin": 6 }), json!({})), "conflict");
        let to_stranger = json!({ "verb": "offer", "user_id": "z", "gives": { "coin": 1 } });
        game.refuses("trade", "a", &to_stranger, "forbidden");
        assert!(game.document("inventory/z").is_none());
        game.json("trade", "a", &json!({ "verb": "cancel", "user_id": "z" }));
        assert!(game.document("inventory/z").is_none());
        // One side's name of a friend is not enough.
        game.store.command(&["HDEL", "test:documents", "friends/b"]);
        game.refuses("trade", "a", &offer(json!({ "coin": 1 }), json!({})), "forbidden");
    });
}

#[test]
fn a_reward_comes_once_a_day() {
    Game::each(|game| {
        let claim = |game: &mut Game| game.json("claim_daily", "a", &json!({}));
        let look = game.json("claim_daily", "a", &json!({ "claim": false }));
        assert_eq!(
            (&look["claimed"], &look["is_open"], &look["streak"]),
            (&json!(false), &json!(true), &json!(0))
        );
        assert_eq!(look["reward"], json!({ "coin": 10 }));
        let first = claim(game);
        assert_eq!(
            (&first["claimed"], &first["is_open"], &first["streak"]),
            (&json!(true), &json!(false), &json!(1))
        );
        assert_eq!(first["next_at"], (START_MS / DAY_MS + 1) * DAY_MS);
        for _ in 0..3 {
            assert_eq!(claim(game)["claimed"], false);
        }
        assert_eq!(game.items("a"), json!({ "coin": 10 }), "once");

        // The next day begins with the next day, not a day later.
        game.store.advance(DAY_MS - START_MS % DAY_MS - 1);
        assert_eq!(claim(game)["claimed"], false);
        game.store.advance(1);
        assert_eq!(claim(game)["streak"], 2);
        for streak in 3..=8 {
            game.store.advance(DAY_MS);
            assert_eq!(claim(game)["streak"], streak);
        }
        assert_eq!(game.items("a"), json!({ "coin": 10 + 15 + 20 + 25 + 30 + 40 + 50 + 50, "gem": 2 }));
        // A day that is missed begins anew.
        game.store.advance(2 * DAY_MS);
        assert_eq!(claim(game)["streak"], 1);
        assert_eq!(claim(game)["reward"], json!({ "coin": 10 }));
    });
}

#[test]
fn a_timer_of_the_room_reminds() {
    Game::each(|game| {
        let remind = json!({ "remind": true });
        assert_eq!(game.json("claim_daily", "a", &remind)["reminds"], true);
        assert_eq!(game.json("claim_daily", "a", &remind)["reminds"], true);
        assert_eq!(game.pending(), 1, "one for each player");
        assert_eq!(game.pass(DAY_MS - START_MS % DAY_MS - 1), Vec::<Value>::new());
        assert_eq!(game.pass(1), [json!({ "type": "daily_ready", "payload": { "streak": 1 } })]);
    });
}
