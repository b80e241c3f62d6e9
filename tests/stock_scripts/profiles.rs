//! Profiles of players.

use serde_json::{Value, json};

use super::{Game, START_MS};

#[test]
fn a_profile_is_made_changed_and_seen_by_others() {
    Game::each(|game| {
        let mut own = game.json("get_profile", "7", &json!(null));
        let fresh = json!({ "user_id": "7", "username": "name of 7", "name": "name of 7", "seen": START_MS, "settings": {}, "version": 1 });
        assert_eq!(own, fresh);
        game.store.advance(1000);
        assert_eq!(game.json("get_profile", "7", &json!(null)), fresh, "nothing is written so soon");

        let change = json!({ "name": " Ada\u{200b} \n L. ", "avatar": "cat-3", "settings": { "volume": 0.5, "hints": true, "lang": "fr" } });
        own = game.json("set_profile", "7", &change);
        assert_eq!(
            (&own["name"], &own["avatar"], &own["version"]),
            (&json!("Ada   L."), &json!("cat-3"), &json!(2))
        );
        own = game.json(
            "set_profile",
            "7",
            &json!({ "settings": { "lang": null, "volume": 1 }, "version": 2 }),
        );
        assert_eq!(own["settings"], json!({ "volume": 1, "hints": true }));
        let conflict = game.refuses("set_profile", "7", &json!({ "avatar": null, "version": 2 }), "conflict");
        assert_eq!(conflict.details, json!({ "version": 3 }));

        let shown = game.json("view_profile", "8", &json!({ "user_id": "7" }));
        let public = json!({ "user_id": "7", "username": "name of 7", "name": "Ada   L.", "avatar": "cat-3", "seen": START_MS });
        assert_eq!(shown, public, "no settings");
        own = game.json("set_profile", "7", &json!({ "name": null, "avatar": null }));
        assert_eq!((&own["name"], &own["avatar"]), (&json!("name of 7"), &Value::Null));
        game.store.advance(300_000);
        assert_eq!(game.json("get_profile", "7", &json!(null))["seen"], START_MS + 301_000);
        assert_eq!(game.document("profile/7").expect("kept").1.as_deref(), Some("7"));
    });
}

#[test]
fn hostile_profiles_are_refused() {
    Game::each(|game| {
        let settings = |count: usize| (0..count).map(|n| (format!("s{n}"), json!(n))).collect::<Value>();
        let wrong = [
            json!(null),
            json!([1]),
            json!("x"),
            json!({ "gold": 1_000_000 }),
            json!({ "name": 5 }),
            json!({ "name": "" }),
            json!({ "name": " \u{200b}" }),
            json!({ "name": "x".repeat(33) }),
            json!({ "avatar": 5 }),
            json!({ "avatar": "" }),
            json!({ "avatar": "a b" }),
            json!({ "avatar": "x".repeat(65) }),
            json!({ "avatar": "javascript:alert(1)" }),
            json!({ "avatar": "http://example.com/a.png" }),
            json!({ "avatar": "https://example.com/\"><script>" }),
            json!({ "avatar": format!("https://{}", "x".repeat(249)) }),
            json!({ "settings": 5 }),
            json!({ "settings": [1] }),
            json!({ "settings": { "A": 1 } }),
            json!({ "settings": { "a": {} } }),
            json!({ "settings": { "a": "x".repeat(257) } }),
        ];
        for change in wrong {
            game.refuses("set_profile", "7", &change, "bad_request");
        }
        game.fails("set_profile", "any", "7", &[r#"{"settings":{"a":1e999}}"#], "bad_request");
        game.refuses("set_profile", "7", &json!({ "settings": settings(65) }), "too_large");
        game.json(
            "set_profile",
            "7",
            &json!({ "settings": settings(64), "avatar": "https://example.com/a.png?x=1" }),
        );
        game.refuses("set_profile", "7", &json!({ "settings": { "more": 1 } }), "too_large");
        for user_id in [json!("9"), json!("x".repeat(128))] {
            game.refuses("view_profile", "7", &json!({ "user_id": user_id }), "not_found");
        }
        for user_id in [json!(""), json!("a/b"), json!(7), json!(null), json!({}), json!("x".repeat(129))] {
            game.refuses("view_profile", "7", &json!({ "user_id": user_id }), "bad_request");
        }
    });
}
