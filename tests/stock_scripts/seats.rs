//! Seats that were taken without a socket.

use serde_json::{Value, json};

use super::{Game, START_MS};

fn left(user: &str) -> Value {
    json!({ "type": "player_left", "payload": { "user_id": user, "username": format!("name of {user}") } })
}

/// The hook of a socket that was put out came after the user had joined again, and took the new seat.
#[test]
fn regression_who_leaves_and_joins_again_keeps_the_new_seat() {
    Game::each(|game| {
        game.ok("create_lobby", "a", "1", &[]);
        game.event("on_connect", "a", "1", &["a"]);
        game.event("leave_lobby", "a", "1", &[]);
        game.ok("join_lobby", "a", "1", &[]);
        assert_eq!(game.ok("on_disconnect", "a", "1", &["a"]), Value::Null);
        assert_eq!(game.snapshot("a")["players"].as_object().map(|players| players.len()), Some(1));
        // A lobby that it has resumed in lasts.
        game.ok("on_resume", "a", "1", &["a"]);
        assert!(game.ttls("a").iter().all(|ttl| *ttl < 0), "{:?}", game.ttls("a"));
        game.store.advance(3_600_000);
        assert_eq!(game.lobbies(&[])["lobbies"][0]["id"], "game:a");
        assert_eq!(game.store.command(&["HLEN", "game:a:reserved"]), 0);
        assert_eq!(game.event("on_disconnect", "a", "1", &["a"]), left("1"));
    });
}

#[test]
fn the_seat_of_who_is_gone_without_a_socket_is_free() {
    Game::each(|game| {
        game.ok("create_lobby", "a", "1", &["2"]);
        game.ok("join_lobby", "a", "2", &[]);
        game.fails("join_lobby", "a", "3", &[], "conflict");
        assert_eq!(game.event("on_disconnect", "a", "2", &["a", "absent"]), left("2"));
        game.ok("join_lobby", "a", "3", &[]);
        assert_eq!(game.ok("on_disconnect", "a", "2", &["a", "absent"]), Value::Null);
    });
}

#[test]
fn seats_without_sockets_are_bounded_and_a_large_lobby_is_shown_in_time() {
    const MOST: usize = 1000;
    Game::each(|game| {
        game.ok("create_lobby", "a", "1", &["5000"]);
        for user in 2..=MOST {
            game.ok("join_lobby", "a", &user.to_string(), &[]);
        }
        let full = game.fails("join_lobby", "a", "5001", &[], "conflict");
        assert!(full.message.contains("have not connected"), "{full:?}");
        // With a socket there is room for all.
        game.event("on_connect", "a", "5001", &["a"]);
        game.store.advance(30_000);
        let outcome = game.call("join_lobby", "a", "5002", &[]);
        assert_eq!((outcome.events.len(), outcome.result.is_ok()), (100, true), "some seats are free again");
        assert_eq!(game.lobbies(&[])["lobbies"][0]["members"], MOST + 1 - 100 + 1);
    });
}

#[test]
fn a_seat_from_the_future_is_free() {
    Game::each(|game| {
        game.ok("create_lobby", "a", "1", &["2"]);
        game.event("on_connect", "a", "1", &["a"]);
        game.ok("join_lobby", "a", "2", &[]);
        let hour_later = (START_MS + 3_600_000).to_string();
        game.store.command(&["HSET", "game:a:reserved", "2", &hour_later]);
        assert_eq!(game.event("join_lobby", "a", "3", &[]), left("2"));
    });
}
