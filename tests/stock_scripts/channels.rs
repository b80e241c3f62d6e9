//! Chat channels over all rooms, and who is where.

use serde_json::{Value, json};

use super::Game;

impl Game {
    fn told(&mut self, script: &str, user: &str, args: &[&str]) -> Value {
        let text = self.ok(script, "any", user, args);
        serde_json::from_str(text.as_str().expect("JSON text")).expect("valid JSON")
    }
}

fn rooms_with(game: &mut Game, members: &[(&str, &str)]) {
    for (room, user) in members {
        game.ok("create_lobby", room, user, &[]);
        game.event("on_connect", room, user, &[room]);
    }
    game.pass(0);
}

#[test]
fn a_message_reaches_the_rooms_that_listen() {
    Game::each(|game| {
        rooms_with(game, &[("a", "1"), ("b", "2"), ("c", "3")]);
        for (room, user) in [("a", "1"), ("b", "2")] {
            assert_eq!(game.ok("join_channel", room, user, &[r#"{"channel":"trade"}"#]), "OK");
        }
        game.ok("join_channel", "c", "3", &[r#"{"channel":"other"}"#]);
        game.pass(0);
        game.ok("send_channel", "any", "3", &["trade", "  selling\u{7}\na sword "]);
        let events = game.pass(0);
        assert_eq!(events.len(), 2, "{events:?}");
        let said = &events[0]["payload"];
        assert_eq!(
            (&events[0]["type"], &said["message"], &said["user_id"], &said["channel"]),
            (&json!("channel_message"), &json!("selling  a sword"), &json!("3"), &json!("trade"))
        );
        let history = game.told("channel_history", "9", &["trade"]);
        assert_eq!(history["messages"], json!([said]));
        assert_eq!(game.told("channel_history", "9", &["tr"]), json!({ "messages": [] }));

        game.fails("send_channel", "any", "8", &["trade", "\u{200b}\u{202e}\u{3000}"], "bad_request");
        game.ok("send_channel", "any", "8", &["trade", "a\u{202e}b\u{200b}"]);
        let events = game.pass(0);
        assert_eq!(events[0]["payload"]["message"], "ab", "what nobody sees is taken out");

        // A room in which nobody is any more costs nothing.
        game.event("on_disconnect", "a", "1", &["a"]);
        for _ in 0..2 {
            game.store.advance(1001);
            game.ok("send_channel", "any", "3", &["trade", "again"]);
            assert_eq!(game.pass(0).len(), 1);
        }
        assert_eq!(game.store.command(&["ZCARD", "channels:rooms"]), 2);
    });
}

/// Two hundred guests in as many rooms had the store deliver tens of thousands a second, and it filled.
#[test]
fn regression_what_is_delivered_in_a_second_is_bounded() {
    Game::each(|game| {
        let listens = |game: &mut Game, channel: &str, rooms: usize| {
            for n in 0..rooms {
                game.store.command(&["ZADD", "channels:rooms", "0", &format!("{channel}:r{n}")]);
            }
        };
        listens(game, "world", 50);
        listens(game, "trade", 1);
        let says = |game: &mut Game, user: usize, channel: &str| {
            let outcome = game.call("send_channel", "any", &user.to_string(), &[channel, "hello"]);
            outcome
                .result
                .map(|_| ())
                .map_err(|failure| (failure.code, failure.details["retry_after_ms"].clone()))
        };
        let said = (0..200).take_while(|user| says(game, *user, "world").is_ok()).count();
        assert_eq!(said, 81, "two seconds' worth at once");
        assert_eq!(says(game, 300, "world"), Err(("rate_limited".into(), json!(25))));
        assert_eq!(game.pending(), 81 * 50, "what is refused is told to nobody");
        says(game, 300, "trade").expect("another channel has its own, and who was refused has said nothing");
        let mut said = 0;
        for user in 1000..1100 {
            game.store.advance(10);
            said += usize::from(says(game, user, "world").is_ok());
        }
        assert_eq!(said, 40, "forty a second");
        // As if it had been an hour later.
        let later = (super::START_MS + 3_600_000).to_string();
        game.store.command(&["ZADD", "channels:busy", &later, "world", &later, ""]);
        says(game, 2000, "world").expect("a clock that was set back stops nobody");

        for n in 0..20 {
            listens(game, &format!("c{n}"), 50);
        }
        game.store.advance(5000);
        let said =
            (0..1000).filter(|user| says(game, 3000 + user, &format!("c{}", user % 20)).is_ok()).count();
        assert_eq!(said, 241, "all channels together have three times as much as one");
        game.store.advance(60_000);
        says(game, 5000, "trade").expect("there is time");
        assert_eq!(game.store.command(&["ZCARD", "channels:busy"]), 2);
    });
}

/// They filled the channel, and who came then was told OK and heard nothing.
#[test]
fn regression_rooms_that_nobody_is_in_make_place() {
    Game::each(|game| {
        rooms_with(game, &[("a", "1")]);
        for n in 0..500 {
            game.store.command(&["ZADD", "channels:rooms", "0", &format!("trade:gone{n}")]);
        }
        game.ok("join_channel", "a", "1", &[r#"{"channel":"trade"}"#]);
        assert_eq!(game.pass(2000), Vec::<Value>::new());
        assert_eq!(game.store.command(&["ZCARD", "channels:rooms"]), 1);
        game.ok("send_channel", "any", "1", &["trade", "hello"]);
        assert_eq!(game.pass(0).len(), 1);
    });
}

#[test]
fn who_joins_a_channel_that_is_full_is_told() {
    Game::each(|game| {
        rooms_with(game, &[("a", "1"), ("b", "2")]);
        for n in 0..500 {
            game.store.command(&["ZADD", "channels:rooms", "0", &format!("trade:r{n}")]);
            game.store.command(&["SADD", &format!("game:r{n}:online"), "9"]);
        }
        for room in ["a", "b"] {
            let user = if room == "a" { "1" } else { "2" };
            for _ in 0..2 {
                game.ok("join_channel", room, user, &[r#"{"channel":"trade"}"#]);
            }
        }
        assert_eq!(game.pass(999), Vec::<Value>::new(), "the rooms are asked first");
        let events = game.pass(1);
        let full = json!({ "type": "channel_full", "payload": { "channel": "trade" } });
        assert_eq!(events, [full.clone(), full.clone()]);
        assert_eq!(game.store.command(&["EXISTS", "game:a:channels"]), 0);

        // Another try is one try, not another sweep; and one is enough once there is place.
        game.ok("join_channel", "a", "1", &[r#"{"channel":"trade"}"#]);
        game.tell(None, "note_channel", &json!({ "channel": "trade", "room": "a", "listens": true }));
        assert_eq!(game.pending(), 2);
        assert_eq!(game.pass(1000), [full.clone(), full]);
        game.store.command(&["DEL", "game:r7:online"]);
        game.store.advance(10_000);
        game.ok("join_channel", "a", "1", &[r#"{"channel":"trade"}"#]);
        assert_eq!(game.pass(1000), Vec::<Value>::new());
        assert_eq!(game.store.command(&["ZSCORE", "channels:rooms", "trade:a"]), "0");
        assert_eq!(game.store.command(&["ZCARD", "channels:rooms"]), 500);
    });
}

#[test]
fn a_channel_keeps_its_latest_messages() {
    Game::each(|game| {
        for n in 0..130 {
            game.ok("send_channel", "any", "1", &["trade", &format!("message {n}")]);
            game.ok("send_channel", "any", "2", &["tradex", &format!("other {n}")]);
            game.store.advance(1001);
        }
        let texts = |history: &Value| {
            let messages = history["messages"].as_array().expect("array");
            messages.iter().map(|said| said["message"].as_str().expect("text").to_owned()).collect::<Vec<_>>()
        };
        let all = texts(&game.told("channel_history", "9", &["trade", "100"]));
        assert_eq!((all.len(), all[0].as_str(), all[99].as_str()), (100, "message 30", "message 129"));
        assert_eq!(
            texts(&game.told("channel_history", "9", &["trade", "2"])),
            ["message 128", "message 129"]
        );
        assert_eq!(texts(&game.told("channel_history", "9", &["trade"])).len(), 50);
        assert_eq!(game.store.command(&["ZCARD", "channels:history"]), 200);
        assert_eq!(game.store.command(&["ZCARD", "channels:last"]), 2);
    });
}

/// Anybody may speak in channels of ever new names, in which nobody listens.
#[test]
fn regression_channels_keep_so_much_in_all() {
    Game::each(|game| {
        game.ok("send_channel", "any", "1", &["world", "first"]);
        for hundred in 0..200 {
            let channel = format!("c{hundred}");
            let entries: Vec<String> =
                (0..100).map(|number| format!("{channel}:{number:013}:0:{{}}")).collect();
            let mut add = vec!["ZADD", "channels:history"];
            entries.iter().for_each(|entry| add.extend(["0", entry]));
            game.store.command(&add);
            // Said before the first in that world, and one after the other.
            game.store.command(&["ZADD", "channels:used", &hundred.to_string(), &channel]);
        }
        game.ok("send_channel", "any", "2", &["world", "second"]);
        assert_eq!(game.store.command(&["ZCARD", "channels:history"]), 19_902);
        assert_eq!(game.told("channel_history", "9", &["c0"]), json!({ "messages": [] }));
        let world = game.told("channel_history", "9", &["world"]);
        assert_eq!(world["messages"].as_array().map(Vec::len), Some(2));
        game.store.advance(1001);
        game.ok("send_channel", "any", "2", &["new", "third"]);
        assert_eq!(game.store.command(&["ZCARD", "channels:history"]), 19_903, "there is room again");
    });
}

#[test]
fn who_floods_or_is_muted_is_not_heard() {
    Game::each(|game| {
        game.ok("send_channel", "any", "1", &["trade", "one"]);
        game.fails("send_channel", "any", "1", &["trade", "two"], "too_fast");
        game.ok("send_channel", "any", "2", &["trade", "of another"]);
        game.store.advance(1001);
        game.ok("send_channel", "any", "1", &["trade", "two"]);
        game.ok("mute_player", "any", "9", &["1", "5"]);
        game.store.advance(299_999);
        let refused = game.fails("send_channel", "any", "1", &["trade", "three"], "forbidden");
        assert!(refused.details["until"].is_u64() || refused.details["until"].is_f64(), "{refused:?}");
        game.store.advance(1);
        game.ok("send_channel", "any", "1", &["trade", "three"]);
        assert_eq!(game.store.command(&["EXISTS", "channels:muted"]), 0);
        game.ok("mute_player", "any", "9", &["1", "5"]);
        game.ok("mute_player", "any", "9", &["1", "0"]);
        game.store.advance(1001);
        game.ok("send_channel", "any", "1", &["trade", "four"]);
    });
}

#[test]
fn wrong_channels_and_messages_are_refused() {
    Game::each(|game| {
        rooms_with(game, &[("a", "1")]);
        let long = "x".repeat(33);
        for channel in ["", "A", "a:b", "a b", &long] {
            let payload = json!({ "channel": channel }).to_string();
            game.fails("join_channel", "a", "1", &[&payload], "bad_request");
            game.fails("leave_channel", "a", "1", &[&payload], "bad_request");
            game.fails("send_channel", "any", "1", &[channel, "hello"], "bad_request");
            game.fails("channel_history", "any", "1", &[channel], "bad_request");
        }
        for payload in ["", "1", "{}", r#"{"channel":1}"#] {
            game.fails("join_channel", "a", "1", &[payload], "bad_request");
        }
        game.fails("join_channel", "a", "2", &[r#"{"channel":"trade"}"#], "forbidden");
        for n in 0..16 {
            for _ in 0..2 {
                game.ok("join_channel", "a", "1", &[&format!(r#"{{"channel":"c{n}"}}"#)]);
            }
        }
        game.fails("join_channel", "a", "1", &[r#"{"channel":"one-more"}"#], "conflict");
        assert_eq!(game.pending(), 16, "each is told once");
        for message in ["", "  ", "\u{1}", &"x".repeat(501)] {
            game.fails("send_channel", "any", "1", &["trade", message], "bad_request");
        }
        game.fails("send_channel", "any", "1", &["trade"], "bad_request");
        for limit in ["0", "101", "1.5", "ten"] {
            game.fails("channel_history", "any", "1", &["trade", limit], "bad_request");
        }
        for args in [&[][..], &["1"], &["1", "-1"], &["1", "x"], &["", "1"], &["1", "525601"]] {
            game.fails("mute_player", "any", "9", args, "bad_request");
        }
    });
}

#[test]
fn presence_tells_who_is_where() {
    Game::each(|game| {
        rooms_with(game, &[("a", "1"), ("b", "2")]);
        game.ok("create_lobby", "secret", "3", &["4", r#"{"public":false}"#]);
        for (room, user) in [("secret", "3"), ("a", "2")] {
            game.event("on_connect", room, user, &[room]);
        }
        game.pass(0);
        let seen = game.told("presence", "9", &[r#"["1","2","3","4"]"#]);
        assert_eq!(seen["online"], 3);
        assert_eq!(seen["users"]["1"]["rooms"], json!(["game:a"]));
        assert_eq!(seen["users"]["2"]["rooms"], json!(["game:b", "game:a"]));
        assert_eq!(
            (&seen["users"]["3"]["rooms"], &seen["users"]["3"]["username"]),
            (&json!([]), &json!("name of 3"))
        );
        assert!(seen["users"].get("4").is_none());

        game.event("on_disconnect", "b", "2", &["b"]);
        game.event("leave_lobby", "a", "2", &[]);
        game.ok("on_disconnect", "a", "2", &["a"]);
        game.event("on_connect", "a", "4", &["a"]);
        game.event("kick_player", "a", "1", &["4"]);
        game.pass(0);
        let seen = game.told("presence", "9", &[r#"["1","2","4"]"#]);
        assert_eq!(
            (&seen["online"], seen["users"].as_object().map(|users| users.len())),
            (&json!(2), Some(1))
        );
        assert_eq!(game.told("presence", "9", &[])["users"], json!({}));
        let many = json!((0..101).map(|n| n.to_string()).collect::<Vec<_>>()).to_string();
        for users in ["1", "{", "[1]", &many] {
            game.fails("presence", "any", "9", &[users], "bad_request");
        }
    });
}
