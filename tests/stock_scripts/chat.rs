//! What a message may be made of.

use serde_json::json;

use super::Game;

/// What others get of a message; none if it is refused.
fn said(game: &mut Game, script: &str, message: &str) -> Option<String> {
    let outcome = game.call(script, "a", "1", &[&json!({ "message": message }).to_string()]);
    let by_rpc = game.call(script, "a", "1", &[message, "a"]);
    assert_eq!(outcome.result, by_rpc.result, "{message:?}");
    match outcome.result {
        Ok(_) => Some(outcome.events[0]["payload"]["message"].as_str().expect("text").to_owned()),
        Err(failure) => {
            assert_eq!((&*failure.code, outcome.events.len()), ("bad_request", 0), "{message:?}");
            None
        }
    }
}

#[test]
fn a_message_shows_something() {
    Game::each(|game| {
        game.ok("create_lobby", "a", "1", &[]);
        for script in ["send_chat", "broadcast"] {
            for nothing in [
                " ",
                " \t\n\r ",
                "\0",
                "\u{1b}\u{7f}\u{85}",
                "\u{a0}\u{1680}\u{2003}\u{202f}\u{205f}\u{3000}",
                "\u{200b}\u{200c}\u{200d}\u{200e}\u{200f}\u{2060}\u{feff}\u{ad}\u{34f}\u{61c}\u{180e}",
                "\u{202e}\u{2066}\u{2069}",
                "\u{115f}\u{1160}\u{3164}\u{ffa0}\u{2800}",
                "\u{fe0f}\u{e0020}\u{e007f}\u{e0100}",
                " \u{200b} \u{2028}\u{fff9} \u{17b4}",
            ] {
                assert_eq!(said(game, script, nothing), None, "{script} {nothing:?}");
            }
        }
    });
}

#[test]
fn a_message_is_without_what_nobody_sees() {
    Game::each(|game| {
        game.ok("create_lobby", "a", "1", &[]);
        let mut check = |message: &str, expected: &str| {
            for script in ["send_chat", "broadcast"] {
                assert_eq!(said(game, script, message).as_deref(), Some(expected), "{script} {message:?}");
            }
        };
        check("  hi\u{a0}there \n", "hi\u{a0}there");
        check("\u{3000}\u{2028}hi\u{2800}\u{3164}", "hi");
        check("one\r\n\ttwo", "one\n\ttwo");
        check("\u{202e}drow\u{202c} \u{2066}x\u{2069}", "drow x");
        check("a\0b\u{1b}[31m\u{9b}c", "ab[31mc");
        check("sw\u{ad}ear\u{200b}word\u{feff}", "swearword");
        // Emoji of several characters, letters that joiners part, marks on letters.
        for kept in [
            "👩\u{200d}👩\u{200d}👧\u{200d}👦",
            "\u{2764}\u{fe0f}",
            "1\u{fe0f}\u{20e3}",
            "🏴\u{e0067}\u{e0062}\u{e007f}",
            "می\u{200c}خواهم",
            "e\u{301}",
            "\u{301}",
            "à vous, ñ ü 你好 ありがとう",
            "\u{200f}שלום",
        ] {
            check(kept, kept);
        }
    });
}
