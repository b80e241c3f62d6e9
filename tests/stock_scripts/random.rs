//! Properties of the stock scripts under generated input.

use std::cell::RefCell;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};

use super::Game;

fn run<S: Strategy>(strategy: S, test: impl Fn(&mut Game, S::Value) -> Result<(), TestCaseError>) {
    Game::each(|game| {
        let game = RefCell::new(game);
        let mut runner = TestRunner::new(Config { failure_persistence: None, ..Config::with_cases(300) });
        let result = runner.run(&strategy, |input| test(&mut game.borrow_mut(), input));
        result.unwrap_or_else(|failure| panic!("{failure}"));
    });
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
        r#"[\[\]{}",:\\\n /u0-9a]{0,8}"#.prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 40, 6, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            proptest::collection::hash_map(r#"[a-c"\\{},:]{0,3}"#, inner, 0..6)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

/// As the other side reads it: serde_json's floats may differ in their last bit from what was printed.
fn parsed(text: &str) -> Value {
    serde_json::from_str(text).expect("valid JSON")
}

/// A new room in which user 1 is the only member.
fn fresh_room(game: &mut Game, settings: &str) {
    game.store.command(&["FLUSHALL"]);
    game.ok("create_lobby", "a", "1", &["4", settings]);
}

#[test]
fn any_payload_is_passed_on_unchanged() {
    run((any_json(), any::<bool>()), |game, (payload, is_pretty)| {
        fresh_room(game, "{}");
        let message = json!({ "action": "x", "payload": payload });
        let text = if is_pretty { format!("{message:#}") } else { message.to_string() };
        let event = game.event("update_state", "a", "1", &[&text]);
        prop_assert_eq!(&event["payload"]["payload"], &parsed(&text)["payload"]);
        Ok(())
    });
}

#[test]
fn any_fields_are_stored_unchanged() {
    let fields = || proptest::collection::hash_map(r#"[a-c"\\{},:]{1,3}"#, any_json(), 1..6);
    run((fields(), fields()), |game, (first, second)| {
        fresh_room(game, "{}");
        let mut expected = serde_json::Map::new();
        for fields in [first, second] {
            let message = json!({ "action": "set", "payload": fields }).to_string();
            game.event("update_state", "a", "1", &[&message]);
            expected.extend(parsed(&message)["payload"].as_object().expect("object").clone());
            expected.retain(|_, value| !value.is_null());
        }
        prop_assert_eq!(&game.snapshot("a")["state"], &Value::Object(expected));
        Ok(())
    });
}

/// What the script lets through is valid JSON: the harness parses every event and snapshot.
#[test]
fn damaged_messages_are_refused_or_valid() {
    let damage = (any::<prop::sample::Index>(), r#"[\[\]{}",:\\\n\t0-9.eE+xNanif-]{0,3}"#, 0..3_usize);
    let damages = proptest::collection::vec(damage, 1..4);
    run((any_json(), damages), |game, (payload, damages)| {
        fresh_room(game, "{}");
        let message = json!({ "action": "set", "payload": { "k": payload, "n": [0.5, -1e-7] } });
        let mut text: Vec<char> = message.to_string().chars().collect();
        for (at, inserted, removed) in damages {
            let at = at.index(text.len());
            let end = (at + removed).min(text.len());
            text.splice(at..end, inserted.chars());
        }
        let text: String = text.into_iter().collect();
        let outcome = game.call("update_state", "a", "1", &[&text]);
        let is_json = serde_json::from_str::<Value>(&text).is_ok();
        prop_assert!(is_json || outcome.result.is_err(), "{text:?}: {outcome:?}");
        if let Err(failure) = outcome.result {
            prop_assert!(matches!(&*failure.code, "bad_request" | "too_large"), "{text:?}: {failure:?}");
        }
        game.snapshot("a");
        Ok(())
    });
}

/// However a client times and places its moves, it gets no farther than its speed allows, and one second's way.
#[test]
fn nobody_outruns_the_speed_limit() {
    let moves = proptest::collection::vec((0.0..1000.0_f64, 0.0..1000.0_f64, 0..3000_u64), 1..40);
    run(moves, |game, moves| {
        const SPEED: f64 = 300.0;
        fresh_room(game, r#"{"max_speed":300}"#);
        let (mut elapsed_ms, mut way, mut position) = (0, 0.0, None::<(f64, f64)>);
        for (x, y, pause_ms) in moves {
            let payload = json!({ "x": x, "y": y }).to_string();
            let outcome = game.call("move_player", "a", "1", &[&payload]);
            match outcome.result {
                Ok(_) => {
                    way += position.map_or(0.0, |(from_x, from_y)| (x - from_x).hypot(y - from_y));
                    position = Some((x, y));
                }
                Err(failure) => {
                    prop_assert_eq!(failure.code, "too_fast");
                    let details = (failure.details["x"].as_f64(), failure.details["y"].as_f64());
                    let (x, y) = position.expect("the first move is never too fast");
                    let is_same = |a: Option<f64>, b: f64| a.is_some_and(|a| (a - b).abs() < 1e-6);
                    prop_assert!(is_same(details.0, x) && is_same(details.1, y), "{details:?}, not {x}, {y}");
                }
            }
            let allowed = SPEED * (elapsed_ms as f64 / 1000.0 + 1.0);
            prop_assert!(way <= allowed + 0.1, "{way} of {allowed}");
            game.store.advance(pause_ms);
            elapsed_ms += pause_ms;
        }
        Ok(())
    });
}
